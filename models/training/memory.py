"""Memory of training steps, which free and take the same hundreds of megabytes over and over."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of malloc.h


def keep_freed_memory() -> bool:
    """Let glibc keep what is freed for the next step instead of giving it back; whether that could be set.

    By default large blocks are mapped at each allocation and unmapped when freed, and the kernel clears every page
    anew: half of the time of a step on a CPU. It holds for the rest of the process, so only training commands use it.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, 2**31 - 1))
