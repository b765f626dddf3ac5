"""How does a server never outlive its owner: this program becomes PostgreSQL, tied to its parent.

Run as a file by a bare interpreter, so it imports nothing of ours. A program, not a function run
between fork and exec: the daemon has threads, and forking Python with threads may hang.

    launch.py PARENT SIGNAL UID GID GROUPS WATCHDOG CLUSTER PROGRAM [ARGUMENT...]

It becomes UID with GID and GROUPS (comma-separated; UID "-" stays as it is), asks for SIGNAL at
the death of PARENT, and replaces itself with PROGRAM. WATCHDOG is "-" where the kernel sends that
signal (Linux), else the descriptor of a pipe whose other end only the parent holds: a process of
its own waits for its end and stops the server in CLUSTER.

Everything is imported before the change of user: the interpreter's library may lie under a closed
directory of root's.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
PATIENCE = 10.0
POLL = 0.02


def drop(uid: str, gid: str, groups: str) -> None:
    if uid == "-":
        return
    os.setgroups([int(group) for group in groups.split(",") if group])
    os.setgid(int(gid))
    os.setuid(int(uid))


def die_with_parent(number: int) -> None:
    """Ask the kernel for a signal when the parent's thread that started us ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def leave_watchdog(pipe: int, cluster: str) -> None:
    """Leave a process behind that stops the server when the pipe ends.

    Forked twice, so that it is no child of the server, which would wonder about it.
    """
    server = os.getpid()
    middle = os.fork()
    if middle:
        os.waitpid(middle, 0)
        os.close(pipe)
        return
    if os.fork():
        os._exit(0)
    os.setsid()
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    # One byte means that the server was stopped and waited for; no byte, that the owner is dead.
    if not os.read(pipe, 1):
        stop(server, cluster)
    os._exit(0)


def stop(server: int, cluster: str) -> None:
    for number in (signal.SIGINT, signal.SIGQUIT):
        deadline = time.monotonic() + PATIENCE
        told = False
        while time.monotonic() < deadline:
            try:
                os.kill(server, 0)
                # The cluster says whether the pid is still the server's. It may not yet say so.
                if not told and named_in(cluster) == server:
                    os.kill(server, number)
                    told = True
            except ProcessLookupError:
                return
            except PermissionError:  # the pid is somebody else's by now
                return
            time.sleep(POLL)


def named_in(cluster: str) -> int | None:
    try:
        with open(os.path.join(cluster, "postmaster.pid"), encoding="utf-8") as file:  # noqa: PTH118, PTH123 - pathlib costs this start 10 ms
            return int(file.readline())
    except (OSError, ValueError):
        return None


def main() -> None:
    parent, number, uid, gid, groups, watchdog, cluster, *command = sys.argv[1:]
    try:
        drop(uid, gid, groups)
        os.umask(0o077)
        # After the change of user: that clears it.
        if watchdog == "-":
            die_with_parent(int(number))
        else:
            leave_watchdog(int(watchdog), cluster)
        if os.getppid() != int(parent):
            return  # it died before it could be watched
        os.execv(command[0], command)  # noqa: S606 - what the caller asked for
    except OSError as error:
        sys.exit(f"cannot start {command[0]}: {error}")


if __name__ == "__main__":
    main()
