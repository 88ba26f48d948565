"""How many cores and threads a process may use."""

from __future__ import annotations

import os

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Who limits one of these means all: a library with more threads than cores it gets waits for most of its time."""


def cores() -> int:
    """Cores that this process may use, which a container or ``taskset`` makes fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads(default: int | None = None) -> int:
    """Threads that a computation may use: the limit that is set for any library, else ``default``, else all cores."""
    limits = (os.environ.get(name, "") for name in THREADS)
    return next((int(each) for each in limits if each.isdecimal() and int(each) > 0), default or cores())
