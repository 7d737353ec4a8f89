"""Ctrl-C while the command ``rnnfast`` imports what it needs: an exit code, and no traceback.

The package imports this before all else, and this imports hardly anything. In other processes it
does nothing.
"""

from __future__ import annotations

import os
import signal
import sys

EXIT_CODE = 130  # as shells have it
# Names of the script that runs the command.
_SCRIPTS = ("rnnfast", "rnnfast.exe", "rnnfast-script.py")


def end(number: int, frame: object) -> None:
    """End the process: what is half imported turns an exception into another one."""
    try:
        os.write(2, b"rnnfast: stopped\n")
    finally:
        os._exit(EXIT_CODE)


def _is_command() -> bool:
    """Whether this process is the command, which imports the package first."""
    started = sys.orig_argv
    if sys.argv[:1] == ["-m"]:  # so it is while the module to run is looked for
        return "rnnfast" in started and started[started.index("rnnfast") - 1] == "-m"
    return bool(sys.argv) and os.path.basename(sys.argv[0]) in _SCRIPTS


if _is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, end)
