"""How the C library gives freed memory back: not at once, where large arrays come and go hundreds of times a second."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Of mallopt(3)."""
_KEPT_BYTES = 1 << 30
_LARGEST_BYTES = 32 << 20
"""The largest value that glibc takes for the mmap threshold on 64 bits."""


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, up to a gigabyte; returns whether the C library took it (glibc does).

    By default glibc maps each array of more than 128 kB afresh, and an update spends a third of its time on the page
    faults of arrays that it has just given back.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_BYTES)) and bool(mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES))
