"""The command ``rnnfast``, also as ``python -m rnnfast``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

# Where a C or C++ program finds the library: told without the command line's own needs.
_FOLDERS = {"--cmake-dir": "cmake", "--include-dir": "include"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        What stands after ``rnnfast``; the process's own arguments if not given. ``--cmake-dir`` or
        ``--include-dir`` alone prints the folder for ``find_package(rnnfast)``, or that of the
        headers.

    Returns
    -------
    int
        The exit code: 0 done, 1 failed, 2 wrong usage, 130 ended by Ctrl-C, 141 by a reader of
        standard output that has gone.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    if len(given) == 1 and given[0] in _FOLDERS:
        print(Path(__file__).resolve().parent / _FOLDERS[given[0]])
        return 0
    try:
        import typer  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        print('rnnfast: the command line needs typer: pip install "rnnfast[cli]"', file=sys.stderr)
        return 1
    from rnnfast.cli.commands import run

    return run(given)


if __name__ == "__main__":
    sys.exit(main())
