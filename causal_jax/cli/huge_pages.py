"""Memory in pages of 2 MiB on Linux, which a process has to be started with.

XLA takes the memory of a step anew each time, and the system maps and clears it page by
page: in pages of 4 KiB that is up to a fifth of a training step's time on a CPU
(docs/performance.md). glibc asks for huge ones where the variable GLIBC_TUNABLES says
so, which it reads before a program's first line.
"""

import os
import sys
from pathlib import Path

_TUNABLES = "GLIBC_TUNABLES"
_SYSTEM = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def restart_with() -> None:
    """Starts the running program anew, in the same process, with huge pages.

    Nothing happens where they are not for programs to ask for (other systems; those
    that always or never have them), or where GLIBC_TUNABLES is set: a user's own, or
    this function's.
    """
    if _TUNABLES in os.environ or not _SYSTEM.is_file():
        return
    if "[madvise]" in _SYSTEM.read_text("utf-8"):
        os.environ[_TUNABLES] = "glibc.malloc.hugetlb=1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
