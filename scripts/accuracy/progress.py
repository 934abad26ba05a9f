"""Lines on the standard error that say what is going on."""

import sys
import time

_STARTED = time.monotonic()


def say(text: str) -> None:
    """Write a line, with the time since the start."""
    minutes, seconds = divmod(int(time.monotonic() - _STARTED), 60)
    print(f"[{minutes:3d}:{seconds:02d}] {text}", file=sys.stderr, flush=True)
