"""How do rows of the product become sequences, and what is wrong with those that do not?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from jobs.sequences.configs import (
    MOST_DAYS,
    TRIGGERS,
    AddTag,
    AddToSegment,
    Call,
    ConfigError,
    Manual,
    OfSegment,
    SegmentJoined,
    Trigger,
    WaitUntil,
    read_config,
    utc,
)
from jobs.sequences.model import (
    MOST_OCTETS,
    MOST_STEPS,
    UNITS,
    Definitions,
    Problem,
    Segment,
    SequenceOfSteps,
    Step,
)
from scheduler.job import JobContext, Row
from scheduler.outbound.address import AddressError, check_url


@dataclass(slots=True)
class _Draft:
    row: Row
    trigger: Trigger
    steps: list[tuple[Step, OfSegment | None]]


class Reader:
    """Reads all configs first, since they name segments, which are then read at once."""

    def __init__(self, ctx: JobContext) -> None:
        self._ctx = ctx
        self._drafts: list[_Draft] = []
        self._problems: list[Problem] = []
        self.slugs: list[str] = []
        self.segment_ids: list[UUID] = []

    def read(self, row: Row, steps: Sequence[Row]) -> None:
        slug = row["slug"]
        if len(steps) > MOST_STEPS:
            # Part of the steps is worse than none: who is in the middle waits.
            self._problem(slug, "steps", f"are more than {MOST_STEPS}; nobody is taken further")
            return
        drafted = []
        for step in steps:
            try:
                drafted.append(self._step(step))
            except ConfigError as error:
                self._problem(slug, error.path, error.message)
                drafted.append((Step(step["id"], step["step_order"], "broken"), None))
        self._drafts.append(_Draft(row, self._trigger(row), drafted))

    def finish(
        self, segments: Mapping[str | UUID, Segment], known: Mapping[UUID, Row]
    ) -> Definitions:
        made = Definitions(problems=self._problems)
        for draft in self._drafts:
            slug = draft.row["slug"]
            trigger, segment = draft.trigger, None
            if isinstance(trigger, SegmentJoined):
                segment = segments.get(_key(trigger) or draft.row["segment_id"])
                if segment is None:
                    self._problem(slug, "trigger_config.segment", "there is no such segment")
                    trigger = Manual()
            steps = [self._with_segment(slug, step, of, segments) for step, of in draft.steps]
            state = known[draft.row["id"]]
            made.sequences.append(
                SequenceOfSteps(
                    draft.row["id"],
                    slug,
                    trigger,
                    segment,
                    steps,
                    state["active_since"],
                    state["looked_at"],
                )
            )
        return made

    def _trigger(self, row: Row) -> Trigger:
        kind = TRIGGERS.get(row["trigger_type"])
        try:
            if kind is None:
                raise ConfigError("trigger_type", f"must be one of {', '.join(TRIGGERS)}")
            trigger = read_config(kind, row["trigger_config"], "trigger_config")
            if isinstance(trigger, SegmentJoined):
                if trigger.segment is not None and trigger.segment_id is not None:
                    raise ConfigError(
                        "trigger_config", "takes either segment (a slug) or segment_id"
                    )
                if _key(trigger) is None and row["segment_id"] is None:
                    raise ConfigError("trigger_config", "needs segment (a slug) or segment_id")
                self._ask_for(trigger, row["segment_id"])
            return trigger
        except ConfigError as error:
            self._problem(row["slug"], error.path, error.message)
            return Manual()

    def _step(self, row: Row) -> tuple[Step, OfSegment | None]:
        """Raises `ConfigError`."""
        path = f"steps[{row['step_order']}]"
        unit = UNITS.get(row["delay_unit"])
        if unit is None:
            raise ConfigError(f"{path}.delay_unit", f"must be one of {', '.join(UNITS)}")
        if not 0 <= row["delay_value"] <= timedelta(days=MOST_DAYS) // unit:
            raise ConfigError(f"{path}.delay_value", f"must be 0 or more, {MOST_DAYS} days at most")
        common: dict[str, Any] = {
            "id": row["id"],
            "order": row["step_order"],
            "action": row["action_type"],
            "delay": row["delay_value"] * unit,
        }
        config, at = row["action_config"], f"{path}.action_config"
        match row["action_type"]:
            case "email":
                if not row["has_subject"]:
                    raise ConfigError(f"{path}.subject", "is empty")
                if not row["has_html"]:
                    raise ConfigError(f"{path}.content_html", "is empty")
                if row["octets"] > MOST_OCTETS:
                    raise ConfigError(
                        f"{path}.content_html", f"is more than {MOST_OCTETS // 1024} KiB"
                    )
                return Step(**common, octets=row["octets"]), None
            case "tag":
                return Step(**common, tag=read_config(AddTag, config, at).tag), None
            case "segment":
                of = read_config(AddToSegment, config, at)
                self._ask_for(of, None)
                return Step(**common), of
            case "wait_until":
                wait = read_config(WaitUntil, config, at)
                until = wait.until and utc(wait.until, self._ctx.timezone, f"{at}.until")
                return Step(**common, until=until, field=wait.field), None
            case "webhook":
                call = read_config(Call, config, at)
                webhooks = self._ctx.services.webhooks
                try:
                    check_url(call.url, webhooks.hosts)
                except AddressError as error:
                    raise ConfigError(f"{at}.url", str(error)) from None
                if webhooks.signing_key is None:
                    raise ConfigError(f"{at}.url", "WEBHOOK_SIGNING_KEY is not set")
                return Step(**common, call=call), None
            case _:
                actions = "email, tag, segment, webhook, wait_until"
                raise ConfigError(f"{path}.action_type", f"must be one of {actions}")

    def _with_segment(
        self,
        slug: str,
        step: Step,
        of: OfSegment | None,
        segments: Mapping[str | UUID, Segment],
    ) -> Step:
        key = None if of is None else _key(of)
        if key is None:
            return step
        path = f"steps[{step.order}].action_config.segment"
        segment = segments.get(key)
        if segment is not None and not segment.is_dynamic:
            return Step(step.id, step.order, step.action, step.delay, segment_id=segment.id)
        if segment is None:
            self._problem(slug, path, "there is no such segment")
        else:
            self._problem(slug, path, "is dynamic; members are added to static segments only")
        return Step(step.id, step.order, "broken")

    def _ask_for(self, of: OfSegment, otherwise: UUID | None) -> None:
        match _key(of) or otherwise:
            case str() as slug:
                self.slugs.append(slug)
            case UUID() as key:
                self.segment_ids.append(key)
            case None:
                pass  # whose sequence names no segment either is told so elsewhere

    def _problem(self, slug: str, path: str, message: str) -> None:
        self._problems.append(Problem(slug, path, message))
        self._ctx.log.warning("sequence_broken", sequence=slug, path=path, message=message)


def _key(of: OfSegment) -> str | UUID | None:
    return of.segment if of.segment is not None else of.segment_id
