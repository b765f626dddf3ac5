"""What does `agents` in the schedule file say of what the agents may do?"""

from __future__ import annotations

from typing import Final

from scheduler.policy import AgentCaps, AgentPolicy, AgentSettings, AutoPublish, Price
from scheduler.timing.document import Map, Path
from scheduler.timing.reader import NodeReader

_PARTS: Final = ("defaults", "auto_publish", "prices")


class AgentsReader(NodeReader):
    def policy(self, root: Map) -> AgentPolicy:
        path: Path = ("agents",)
        given = self._part(root, (), "agents")
        caps = Map(given.line, complete=given.complete)
        for key in given.items:
            if key not in _PARTS:
                caps.items[key], caps.lines[key] = given.items[key], given.lines[key]
        prices = self._part(given, path, "prices")
        read = {
            model: self._typed(
                Price, self._part(prices, (*path, "prices"), model), (*path, "prices", model)
            )
            for model in prices.items
        }
        return AgentPolicy(
            defaults=self._typed(
                AgentSettings, self._part(given, path, "defaults"), (*path, "defaults")
            )
            or AgentSettings(),
            caps=self._typed(AgentCaps, caps, path, also=_PARTS) or AgentCaps(),
            auto_publish=self._typed(
                AutoPublish, self._part(given, path, "auto_publish"), (*path, "auto_publish")
            )
            or AutoPublish(),
            prices={model: price for model, price in read.items() if price is not None},
        )
