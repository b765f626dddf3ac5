"""Is a broken, hostile or enormous schedule file ever anything but refused, by line and in time?"""

from __future__ import annotations

import random
import resource
from collections.abc import Callable, Mapping
from pathlib import Path
from time import process_time

import pytest

from scheduler.app import all_jobs
from scheduler.job import Params
from scheduler.timing.schedule import ScheduleError, load_schedule
from tests.faults.conftest import FULL, Report, trials
from tests.support.daemon import command

SHIPPED = Path(__file__).parents[3] / "config.yaml"
PIECES = [
    *("*", "&a ", "*a", "!!python/object/apply:os.system [x]", "<<: *a", "---", "...", "\t", "? "),
    *(
        "- ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        "|",
        ">",
        "'",
        '"',
        "#",
        "%YAML 1.1",
        "@",
        "`",
        "\x00",
        "\x07",
    ),
    *(
        "\u202e",
        "\ufeff",
        "\u2028",
        "\r",
        "null",
        "~",
        "yes",
        "0x10",
        "1e999",
        "1_000",
        "-1",
        "1:30",
    ),
    *(
        "!!binary aGk=",
        "!!set {a}",
        "9" * 400,
        "a" * 3_000,
        "${HOME}",
        "{{ 7 * 7 }}",
        "\\x00",
        "=:",
    ),
    *("\udcff", "2026-01-01", ".inf", ".nan", "0 0 30 2 *", "*/0 * * * *", "../../etc/passwd"),
]
DEEP = 20_000
SECONDS = 10.0
MEGABYTES = 200.0

Bomb = Callable[[], str]
BOMBS: Mapping[str, Bomb] = {
    "laughs": lambda: "\n".join(
        [
            "a0: &a0 [x, x, x, x, x, x, x, x, x]",
            *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)),
        ]
    ),
    "itself": lambda: "jobs: &a {cleanup: *a}\n",
    "merged": lambda: "jobs: &a\n  x: {<<: *a}\n",
    "deep lists": lambda: "[" * DEEP,
    "deep lists, closed": lambda: "[" * DEEP + "]" * DEEP,
    "deep maps": lambda: "{a: " * DEEP,
    "deep blocks": lambda: "\n".join(" " * n + "a:" for n in range(1_500)),
    "deep sequences": lambda: "- " * DEEP + "x",
    "deep keys": lambda: "? " * DEEP + "x",
    "many jobs": lambda: "jobs:\n" + "".join(f'  j{n}: {{cron: "x"}}\n' for n in range(30_000)),
    "one line": lambda: "jobs: {" + ", ".join(f"a{n}: 1" for n in range(100_000)) + "}",
    "long scalar": lambda: "timezone: " + "x" * 2_000_000,
    "too long": lambda: "#" * 5_000_000,
    "many documents": lambda: "---\njobs: {}\n" * 50_000,
    "many anchors": lambda: "jobs:\n" + "".join(f"  a{n}: &b{n} x\n" for n in range(50_000)),
    "many tags": lambda: "jobs:\n" + "".join(f"  a{n}: !!python/none x\n" for n in range(50_000)),
    "same key": lambda: "jobs:\n" + "  cleanup: {}\n" * 100_000,
    "quotes": lambda: "jobs: " + '"' * 100_001,
    "stars": lambda: "".join(f"a{n}: * * * * *\n" for n in range(5_000)),
    "line ends": lambda: "\r" * 500_000 + "x: [",
    "colons": lambda: ":" * 200_000,
    "a cron of commas": lambda: 'jobs: {cleanup: {cron: "' + "1," * 500_000 + '1 * * * *"}}',
    "a cron of ranges": lambda: 'jobs: {cleanup: {cron: "' + "0-59/1," * 100_000 + '0 * * * *"}}',
    "digits": lambda: "max_concurrent_runs: " + "9" * 1_000_000,
    "a long duration": lambda: 'jobs: {cleanup: {cron: "@daily", timeout: ' + "1d" * 500_000 + "}}",
}


def mutated(rng: random.Random, text: str) -> bytes:
    """The shipped file with up to eight things wrong."""
    lines = text.splitlines()
    for _ in range(rng.randrange(1, 9)):
        at = rng.randrange(len(lines))
        line = lines[at]
        place = rng.randrange(len(line) + 1)
        match rng.randrange(9):
            case 0:
                lines[at] = line[:place] + rng.choice(PIECES) + line[place:]
            case 1:
                lines[at] = line[:place] + line[place + rng.randrange(1, 6) :]
            case 2:
                lines.insert(at, lines[rng.randrange(len(lines))])
            case 3:
                lines[at] = " " * rng.randrange(9) + line.lstrip()
            case 4:
                key, colon, _ = line.partition(":")
                lines[at] = f"{key}{colon} {rng.choice(PIECES)}"
            case 5:
                other = rng.randrange(len(lines))
                lines[at], lines[other] = lines[other], line
            case 6:
                del lines[at : at + rng.randrange(1, 4)]
                lines = lines or [""]
            case 7:
                lines[at] = line[:place] + chr(rng.randrange(0x110000)) + line[place:]
            case _:
                lines = lines[: at + 1]
    data = "\n".join(lines).encode("utf-8", "surrogatepass")
    if rng.random() < 0.1:
        place = rng.randrange(len(data) + 1)
        data = data[:place] + rng.randbytes(3) + data[place:]
    return data


def held_against(
    path: Path, jobs: Mapping[str, type[Params]]
) -> tuple[ScheduleError | None, float]:
    """What is wrong with the file, and the seconds of work. Another exception is the test's end."""
    started = process_time()
    try:
        load_schedule(path, jobs)
    except ScheduleError as error:
        seconds = process_time() - started
        found = error
    else:
        return None, process_time() - started
    assert found.problems
    for problem in found.problems:
        whole = problem.message.startswith(("cannot be read", "is "))
        assert problem.line >= 1 or (problem.key == "" and whole), problem
        assert len(str(problem)) < 2_000, str(problem)[:300]
    return found, seconds


@pytest.mark.timeout(1800)
def test_files_with_mistakes(tmp_path: Path, report: Report) -> None:
    count = trials(10_000, 250)
    report.of(
        "config.yaml with things changed, dropped, doubled or put in",
        count,
        "taken or refused by line, no other exception, bounded time",
    )
    jobs = {name: kind.job.params for name, kind in all_jobs().items()}
    path, text = tmp_path / "config.yaml", SHIPPED.read_text(encoding="utf-8")
    refused, times = 0, []
    for n in range(count):
        path.write_bytes(mutated(random.Random(n), text))
        error, seconds = held_against(path, jobs)
        refused += error is not None
        times.append(seconds)
    report.figures["refused"] = f"{refused:,}"
    report.figures["the longest"] = f"{max(times) * 1000:.0f} ms"
    assert count / 2 < refused < count
    assert max(times) < (1 if FULL else SECONDS)


@pytest.mark.timeout(600)
def test_bombs(tmp_path: Path, report: Report) -> None:
    report.of(
        "bombs of YAML: aliases, depth, length, numbers, crons",
        len(BOMBS),
        f"refused by line within {SECONDS:.0f} s and {MEGABYTES:.0f} MB",
    )
    jobs = {name: kind.job.params for name, kind in all_jobs().items()}
    path = tmp_path / "config.yaml"
    times, peaks = {}, {}
    for name, make in BOMBS.items():
        path.write_text(make(), encoding="utf-8")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        error, times[name] = held_against(path, jobs)
        peaks[name] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert error is not None, name
    slow = max(times, key=lambda name: times[name])
    big = max(peaks, key=lambda name: peaks[name])
    report.figures["the longest"] = f"{slow}, {times[slow]:.2f} s"
    report.figures["most memory"] = f"{big}, {peaks[big]:.0f} MB"
    assert times[slow] < SECONDS, times
    assert peaks[big] < MEGABYTES, peaks


async def test_the_command_says_it_without_a_traceback(tmp_path: Path, report: Report) -> None:
    names = [*BOMBS][: trials(len(BOMBS), 1)]
    report.of("`lamplighter check` on each bomb", len(names), "exit 1, by line, no traceback")
    path = tmp_path / "config.yaml"
    for name in names:
        path.write_text(BOMBS[name](), encoding="utf-8")
        said = await command("check", cwd=tmp_path, LAMPLIGHTER_CONFIG=str(path))
        assert said.code == 1, (name, said)
        assert "Traceback" not in said.out + said.err, name
        assert "config.yaml" in said.out + said.err, name
