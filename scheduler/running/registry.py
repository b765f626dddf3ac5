"""Which jobs and public addresses exist: what modules under `jobs` declare.

A job is named by its file's path.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType

from scheduler.endpoint import Endpoint
from scheduler.errors import LamplighterError
from scheduler.job import Job, Params


class RegistryError(LamplighterError):
    """A file under `jobs` does not declare its job as it should."""


@dataclass(frozen=True, slots=True)
class JobType:
    """A job that exists."""

    name: str
    description: str
    """Its module's docstring."""
    job: Job[Params]

    @property
    def summary(self) -> str:
        return self.description.partition("\n")[0]


def find_jobs(package: ModuleType) -> Mapping[str, JobType]:
    """Every module below `package` with a module-level `job`, by name (`reset-credits`).

    Modules without one are what jobs share. Raises `RegistryError` that names the file.
    """
    found: dict[str, JobType] = {}
    for module in _modules(package):
        declared = getattr(module, "job", None)
        if declared is None:
            continue
        if not isinstance(declared, Job):
            raise RegistryError(f"{module.__file__}: `job` must be a scheduler.job.Job")
        if not module.__doc__:
            raise RegistryError(f"{module.__file__}: the docstring is the job's description")
        path = module.__name__.removeprefix(f"{package.__name__}.")
        name = path.replace(".", "/").replace("_", "-")
        found[name] = JobType(name, inspect.cleandoc(module.__doc__), declared)
    return found


def find_endpoints(package: ModuleType) -> Sequence[Endpoint]:
    """Every public address that a module below `package` declares as `endpoints`."""
    return [
        endpoint for module in _modules(package) for endpoint in getattr(module, "endpoints", ())
    ]


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not info.ispkg:
            yield importlib.import_module(info.name)
