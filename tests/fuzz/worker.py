"""What runs cases, in a process that others watch."""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import sys
import traceback
from typing import Any

MEMORY = 3 << 30  # bytes of address space
SANITIZED = "asan" in os.environ.get("LD_PRELOAD", "")  # whose own memory is far more


def work(kind: str, seed: int) -> int:
    """Run the cases whose numbers come on standard input, and tell of faults on standard output.

    Each case's number is told before it begins, so that it is known which one ended the process.
    """
    faulthandler.enable()
    _limit()
    run = _runner(kind, seed)
    os.write(1, b"ready\n")
    for line in sys.stdin:
        begin, end = map(int, line.split())
        for number in range(begin, end):
            os.write(1, b"%d\n" % number)
            fault = run(number)
            if fault is not None:
                os.write(1, (json.dumps(fault) + "\n").encode())
        os.write(1, b"done\n")
    return 0


def again(kind: str, seed: int, number: int) -> int:
    """Run one case in this process and show all that is known of it."""
    faulthandler.enable()
    _limit()
    fault = _runner(kind, seed, aloud=True)(number)
    if fault is None:
        print(f"{kind} {number} of seed {seed}: no fault")
        return 0
    print(fault["traceback"])
    return 1


def _limit() -> None:
    if not SANITIZED:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _runner(kind: str, seed: int, *, aloud: bool = False) -> Any:
    """Return a function from a case's number to the fault that it showed, or None."""
    import rnnfast as rf

    rf.set_num_threads(1)
    from .catalogue import choose_call, choose_file
    from .checks import Case, Fault, Refused, place_of
    from .draws import Draw

    choose = choose_call if kind == "call" else choose_file

    def run(number: int) -> dict[str, Any] | None:
        case = Case(Draw(seed, number), aloud=aloud)
        function = choose(case.draw)
        text = None
        try:
            function(case)
        except Refused:
            pass
        except Fault as error:
            text, cause = str(error), error
        except Exception as error:
            text, cause = f"{type(error).__name__} in the case itself: {error}", error  # type: ignore[assignment]
        if text is None:
            return None
        return {
            "case": function.__name__,
            "text": text,
            "place": place_of(cause),
            "calls": case.calls[-3:],
            "traceback": "".join(traceback.format_exception(cause)),
        }

    return run
