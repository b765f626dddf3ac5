"""Is what may be installed no newer than what is tested, and nothing known to be bad?"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[3]
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)
MENDED = {
    # Of each, the first version without the holes that are known: below it no floor may lie.
    "aiohttp": "3.13.3",  # smuggling (CVE-2025-53643), bombs of 2025
    "cryptography": "44.0.1",  # CVE-2024-12797
    "jinja2": "3.1.6",  # sandbox escapes (CVE-2024-56326, CVE-2025-27516)
    "pyyaml": "5.4",  # CVE-2020-14343
}


def pinned(lock: str) -> dict[NormalizedName, Version]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    return {canonicalize_name(name): Version(version) for name, version in PINNED.findall(text)}


def floors() -> list[tuple[str, Requirement, Version]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = {"requirements.lock": project["project"]["dependencies"]}
    groups["requirements-dev.lock"] = project["dependency-groups"]["dev"]
    groups["requirements-build.lock"] = project["dependency-groups"]["build"]
    found = []
    for lock, lines in groups.items():
        for line in lines:
            asked = Requirement(line)
            [floor] = [part.version for part in asked.specifier if part.operator == ">="]
            found.append((lock, asked, Version(floor)))
    return found


def test_what_is_tested_is_what_may_be_installed() -> None:
    for lock, asked, floor in floors():
        tested = pinned(lock)[canonicalize_name(asked.name)]
        assert tested in asked.specifier, f"{asked} is {tested} in {lock}"
        assert floor <= tested, f"{asked} is {tested} in {lock}"


def test_no_floor_is_below_what_was_mended() -> None:
    by_name = {canonicalize_name(asked.name): floor for _, asked, floor in floors()}
    for name, mended in MENDED.items():
        assert by_name[canonicalize_name(name)] >= Version(mended), name


def test_locks_say_hashes_and_no_host() -> None:
    for lock in ("requirements.lock", "requirements-dev.lock", "requirements-build.lock"):
        text = (ROOT / lock).read_text(encoding="utf-8")
        assert not re.search(r"https?://|--index-url|--extra-index-url|--find-links", text), lock
        names = len(PINNED.findall(text))
        assert names > 5
        assert text.count("\n    --hash=sha256:") >= names
