"""The command ``rnnfast bench``."""

from rnnfast.cli.bench.command import bench

__all__ = ["bench"]
