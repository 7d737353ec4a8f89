"""The command ``rnnfast``, also as ``python -m rnnfast``."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        What stands after ``rnnfast``; the process's own arguments if not given.

    Returns
    -------
    int
        The exit code: 0 done, 1 failed, 2 wrong usage, 130 ended by Ctrl-C, 141 by a reader of
        standard output that has gone.
    """
    try:
        import typer  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        print('rnnfast: the command line needs typer: pip install "rnnfast[cli]"', file=sys.stderr)
        return 1
    from rnnfast.cli.commands import run

    return run(sys.argv[1:] if arguments is None else list(arguments))


if __name__ == "__main__":
    sys.exit(main())
