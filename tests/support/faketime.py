"""How does another process come by a wall clock that a test moves while it runs?"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from time import time

DEBIAN = Path("/usr/lib")
ENOUGH = 3600


class WallClock:
    """The wall clock of the processes that are given `environment`; the steady one stays real."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ahead = 0.0
        self.set(0.0)

    @property
    def environment(self) -> dict[str, str]:
        found = library()
        assert found is not None
        return _environment(found, self._file)

    @property
    def ahead(self) -> float:
        """Seconds that it is ahead of the real one."""
        return self._ahead

    def now(self) -> float:
        """Seconds since 1970, as those processes see it."""
        return time() + self._ahead

    def set(self, ahead: float) -> None:
        """Step to so many seconds ahead of the real one."""
        unfinished = self._file.with_suffix(".part")
        unfinished.write_text(f"{ahead:+.3f}s")
        unfinished.replace(self._file)
        self._ahead = ahead

    def step(self, seconds: float, *, before_the_minute: float) -> None:
        """Step by about as much, to so many seconds before a full minute."""
        target = self.now() + seconds
        self.set(self._ahead + seconds + (60 - target % 60) - before_the_minute)


@cache
def library() -> Path | None:
    """libfaketime, where it works on this machine."""
    places = [*DEBIAN.glob("*/faketime/libfaketime.so.1")]
    package = find_spec("libfaketime")
    if package is not None and package.origin is not None:
        places += Path(package.origin).parent.rglob("libfaketime.so.1")
    return next((place for place in places if _works(place)), None)


def _works(place: Path) -> bool:
    ahead = subprocess.run(
        [sys.executable, "-c", "import time; print(time.time())"],
        env={**os.environ, "LD_PRELOAD": str(place), "FAKETIME": f"+{ENOUGH}s"},
        check=False,
        capture_output=True,
        text=True,
    )
    try:
        return float(ahead.stdout) > time() + ENOUGH / 2
    except ValueError:
        return False


def _environment(place: Path, file: Path) -> dict[str, str]:
    return {
        "LD_PRELOAD": str(place),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
