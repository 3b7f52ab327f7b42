"""How a training's memory is taken from Linux, which a process has to be started with.

XLA takes the memory of a step anew and gives it back each time; the system then maps
and clears all of it, page by page: up to a fifth of a step's time on a CPU
(docs/performance.md). glibc keeps it, in huge pages where the system has them, if the
variable GLIBC_TUNABLES says so, which is read before a program's first line. A process
then never gets smaller.
"""

import os
import sys

VARIABLE = "GLIBC_TUNABLES"
SETTING = ":".join(
    (
        "glibc.malloc.hugetlb=1",  # asks for huge pages
        "glibc.malloc.mmap_max=0",  # nothing is mapped by itself, to be given back
        f"glibc.malloc.trim_threshold={2**40}",  # nor is the end of what is free
    )
)


def restart() -> None:
    """Starts the running program anew, as the same process, with memory that it keeps.

    Nothing happens on other systems, in a notebook or under a debugger, and where
    GLIBC_TUNABLES is set already: by this function, or by a user.
    """
    is_own = "IPython" not in sys.modules and sys.gettrace() is None
    known = sys.executable and sys.orig_argv[1:2] not in ([], ["-"])
    if sys.platform == "linux" and VARIABLE not in os.environ and is_own and known:
        os.environ[VARIABLE] = SETTING
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
