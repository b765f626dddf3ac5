"""Which days is a rollup to write again, and may it? Parameters that the rollups share."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationInfo, field_validator

from scheduler.days import day_of
from scheduler.errors import PermanentError
from scheduler.job import Asking, Day, Params

FIRST = date(1970, 1, 1)
DAY = timedelta(days=1)


class Rebuild(Params):
    most_days: ClassVar[int]
    """That one run may be asked to write again."""

    # Judged in this order: what is wrong with both of them is said of `from`.
    to: Day | None = Field(None, ge=FIRST)
    """The last day to write again."""
    from_: Day | None = Field(None, alias="from", ge=FIRST, validate_default=True)
    """Write the days from here on again, and no others; alone: up to the last day that is over. At
    most ten years of days, or one year of hours."""

    @field_validator("to", "from_")
    @classmethod
    def _is_over(cls, day: date | None, info: ValidationInfo) -> date | None:
        if day is not None and isinstance(info.context, Asking):
            _refuse_unless_over(day, info.context)
        return day

    @field_validator("from_")
    @classmethod
    def _fits_to(cls, first: date | None, info: ValidationInfo) -> date | None:
        if "to" not in info.data:
            return first  # that one is refused, and enough is said
        last: date | None = info.data["to"]
        if first is None and last is not None:
            raise ValueError("must be given where `to` is")
        if last is None and isinstance(info.context, Asking):
            last = _last_over(info.context)
        if first is not None and last is not None:
            cls._refuse_unless_days(first, last)
        return first

    def days(self, at: datetime, zone: ZoneInfo) -> tuple[date, date] | None:
        """The first and the last day to write again, as of `at`; None where it is as always.

        Raises `PermanentError` where one of them is not over, or where they are too many: the
        schedule's own parameters can come to that.
        """
        if self.from_ is None:
            return None
        asking = Asking(at, zone)
        last = self.to or _last_over(asking)
        try:
            for day in (self.from_, last):
                _refuse_unless_over(day, asking)
            self._refuse_unless_days(self.from_, last)
        except ValueError as error:
            raise PermanentError(f"from, to: {error}") from error
        return self.from_, last

    @classmethod
    def _refuse_unless_days(cls, first: date, last: date) -> None:
        count = (last - first) // DAY + 1
        if count < 1:
            raise ValueError(f"{first} is later than `to`, {last}")
        if count > cls.most_days:
            raise ValueError(
                f"{first} makes {count:,} days up to {last}; "
                f"{cls.most_days:,} at most are written again in one run"
            )


def _last_over(asking: Asking) -> date:
    return day_of(asking.now, asking.timezone) - DAY


def _refuse_unless_over(day: date, asking: Asking) -> None:
    last = _last_over(asking)
    if day > last:
        raise ValueError(
            f"{day} is not over: the last day that is, in {asking.timezone}, is {last}"
        )
