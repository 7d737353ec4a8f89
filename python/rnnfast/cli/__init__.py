"""The command line, which needs typer."""

from rnnfast.cli.commands import app, run

__all__ = ["app", "run"]
