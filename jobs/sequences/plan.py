"""How do the steps of all active sequences go into a query?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from jobs.sequences.model import SequenceOfSteps

LEAST_ORDER = -(2**31) - 1
"""Below every step's order."""
PAST_ORDER = 2**31
"""Past every step's order."""


def plan_of(sequences: Sequence[SequenceOfSteps]) -> dict[str, object]:
    """The parameters of the fragment `plan`, a column each."""
    columns: dict[str, list[object]] = {
        "sequence_ids": [],
        "step_ids": [],
        "after_orders": [],
        "orders": [],
        "actions": [],
        "delays": [],
        "next_delays": [],
        "tags": [],
        "segment_ids": [],
        "untils": [],
        "fields": [],
    }
    for sequence in sequences:
        after = LEAST_ORDER
        # None after the last: there is no next step to wait for.
        next_delays = [step.delay for step in sequence.steps[1:]] + [None]
        for step, next_delay in zip(sequence.steps, next_delays, strict=True):
            row = (
                *(sequence.id, step.id, after, step.order, step.action, step.delay, next_delay),
                *(step.tag, step.segment_id, step.until, step.field),
            )
            _append(columns, row)
            after = step.order
        end = (sequence.id, None, after, PAST_ORDER, "end", timedelta(0), None)
        _append(columns, (*end, None, None, None, None))
    return dict(columns)


def _append(columns: dict[str, list[object]], row: tuple[object, ...]) -> None:
    for column, value in zip(columns.values(), row, strict=True):
        column.append(value)
