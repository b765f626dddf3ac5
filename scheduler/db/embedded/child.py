"""How is a PostgreSQL program started so that it dies with us, and how is it stopped?"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from scheduler.db.embedded.account import Account
from scheduler.db.embedded.processes import POLL, STOPPING

LAUNCHER = Path(__file__).with_name("launch.py")
# Nothing of our environment (PGDATA, PGPORT, TZ, locales) changes how PostgreSQL behaves.
ENVIRONMENT: Mapping[str, str] = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


class Child:
    """A direct child process, in a session of its own: Ctrl-C in our terminal is not for it.

    Make it on the thread of the event loop, which must live as long as the child is to: the kernel
    sends its signal when the thread ends that started it.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        cluster: Path,
        account: Account | None,
        output: IO[bytes] | int,
        watchdog: bool,
    ) -> None:
        near: int | None = None
        self._far: int | None = None
        if watchdog:
            near, self._far = os.pipe()
        who = ["-", "-", "-"]
        if account is not None:
            who = [str(account.uid), str(account.gid), ",".join(map(str, account.groups))]
        try:
            self.process = subprocess.Popen(  # noqa: S603 - our launcher
                # -I -S -B: a bare interpreter, 15 ms, that reads and writes nothing of ours.
                [
                    *(sys.executable, "-I", "-S", "-B", str(LAUNCHER)),
                    *(str(os.getpid()), str(int(signal.SIGINT)), *who),
                    *("-" if near is None else str(near), str(cluster)),
                    *map(str, command),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,
                pass_fds=() if near is None else (near,),
            )
        except BaseException:
            self._dismiss_watchdog()
            raise
        finally:
            if near is not None:
                os.close(near)

    @property
    def pid(self) -> int:
        return self.process.pid

    def ended(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        status = self.process.poll()
        if status is not None:
            self._dismiss_watchdog()
        return status

    async def wait(self, seconds: float | None = None) -> int | None:
        """Wait for its end; None where it has not come within that time."""
        clock = asyncio.get_running_loop().time
        deadline = None if seconds is None else clock() + seconds
        while (status := self.ended()) is None and (deadline is None or clock() < deadline):  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(POLL)
        return status

    async def stop(self) -> None:
        """A fast shutdown; where that takes too long an immediate one, then the kernel's."""
        for number, seconds in STOPPING:
            if self.ended() is None:
                self.process.send_signal(number)
            if await self.wait(seconds) is not None:
                return

    def _dismiss_watchdog(self) -> None:
        if self._far is not None:
            with suppress(BrokenPipeError):  # it is gone already
                os.write(self._far, b".")
            os.close(self._far)
            self._far = None
