"""How fast the machine is at the moment: whoever else works on it makes the same work take more or less of a processor's time."""

from __future__ import annotations

import json
import time

_WORK = [{"OrderNo": f"P{number}", "Amount": number / 7, "Note": "a line of text"} for number in range(500)]
_TIMES = 8


def pace() -> float:
    """Seconds of processor time that a fixed piece of work takes, some hundredths."""
    start = time.thread_time()
    for _ in range(_TIMES):
        json.loads(json.dumps(_WORK))
    return time.thread_time() - start
