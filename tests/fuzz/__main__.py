"""Random calls and damaged files, to find what no test was written for.

    python tests/fuzz --calls 1000000       random calls of everything public
    python tests/fuzz --files 100000        damaged models, checkpoints, texts, ...
    python tests/fuzz --call 123            the call of that number again, with its traceback
    python tests/fuzz --file 123            the file of that number again

``--seed`` chooses other cases; the same seed and number make the same case on every machine. With
``--state FILE`` a long run notes where it is, and goes on there when it is started again. Each kind
of fault is printed once, with the command that shows it again; the last line is a summary. The exit
code is 1 if there was a fault.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a folder: give it its name as a package
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    __package__ = "fuzz"

from fuzz.supervisor import Run
from fuzz.worker import again, work


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python tests/fuzz", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--calls", type=int, metavar="N", help="make N random calls")
    what.add_argument("--files", type=int, metavar="N", help="load N damaged files")
    what.add_argument("--call", type=int, metavar="NUMBER", help="make one call again")
    what.add_argument("--file", type=int, metavar="NUMBER", help="load one damaged file again")
    what.add_argument("--work", choices=("call", "file"), help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--state", type=Path, help="where a run that can go on notes its place")
    parser.add_argument("--seconds", type=float, default=60, help="the most that a case may take")
    arguments = parser.parse_args()
    if arguments.work:
        return work(arguments.work, arguments.seed)
    for kind in ("call", "file"):
        if (number := getattr(arguments, kind)) is not None:
            return again(kind, arguments.seed, number)
    kind = "call" if arguments.calls is not None else "file"
    count = arguments.calls if kind == "call" else arguments.files
    return Run(
        kind, count, arguments.seed, arguments.jobs, arguments.seconds, arguments.state
    ).finish()


if __name__ == "__main__":
    sys.exit(main())
