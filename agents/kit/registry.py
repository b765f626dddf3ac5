"""Which agents exist: what modules under `agents` declare. An agent is called as its file is."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType

from agents.kit.agent import Agent
from scheduler.errors import LamplighterError


class AgentRegistryError(LamplighterError):
    """A file under `agents` does not declare its agent as it should."""


def find_agents(package: ModuleType) -> Mapping[str, Agent]:
    """Every module of `package` with a module-level `agent`, by slug (`seo_writer`).

    Modules without one are what agents share. Raises `AgentRegistryError` that names the file.
    """
    found: dict[str, Agent] = {}
    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if info.ispkg:
            continue
        module = importlib.import_module(info.name)
        declared = getattr(module, "agent", None)
        if declared is None:
            continue
        if not isinstance(declared, Agent):
            raise AgentRegistryError(
                f"{module.__file__}: `agent` must be an agents.kit.agent.Agent"
            )
        found[info.name.rpartition(".")[2]] = declared
    return found
