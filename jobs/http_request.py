"""Call an address of somebody else's: for the routes that the product keeps elsewhere.

Everything about the request stands in the entry's `params` in the schedule file; no caller can
change any of it. Secrets stand there as `${NAME}`, and are taken from the environment when it runs.
"""

from __future__ import annotations

from datetime import timedelta

from jobs.calls.answers import kept, on_one_line, place, text_of
from jobs.calls.preparing import check, prepared
from jobs.calls.secrecy import Redactor
from jobs.calls.sending import Answer, CallError, send
from jobs.calls.wanted import HttpRequest
from scheduler.errors import JobError, PermanentError, VariableError
from scheduler.job import Done, Job, JobContext, Outcome, RetryLater

HOPELESS = frozenset({400, 401, 403, 405, 410, 411, 413, 414, 415, 422, 431})
"""Answers that the same request gets again."""
NOT_NOW = frozenset({429, 503})
"""Answers that say that nothing was done."""
LONGEST_WAIT = timedelta(hours=1)
"""However long somebody asks to be left alone."""
FOR_THE_END = 1.0
"""Seconds of the run's time that are left for recording what came of it."""


async def run(ctx: JobContext, params: HttpRequest) -> Outcome:
    try:
        ready = prepared(params, ctx.services, key=str(ctx.run_id))
    except (VariableError, ValueError) as error:
        raise PermanentError(str(error)) from None
    seconds = max(min(params.timeout_seconds or 86_400, ctx.seconds_left() - FOR_THE_END), 1.0)
    try:
        answer = await send(ready.request, seconds)
    except CallError as error:
        raise _no_answer(params, error) from None
    text = None if answer.body is None else text_of(answer.headers, answer.body)
    data = {
        "status": answer.status,
        "durationMs": round(answer.seconds * 1000),
        "bytes": len(answer.raw),
        "answer": None if text is None else kept(text, ready.hide),
    }
    wrong = _wrong(params, answer, text, ready.hide)
    if wrong is None:
        return Done(data)
    ctx.log.warning("answer_refused", **data)
    return _refused(params, answer, wrong)


def _no_answer(params: HttpRequest, error: CallError) -> JobError:
    if error.sent and not params.repeatable:
        return PermanentError(
            f"{error}; it may have been carried out, and {params.method} is not sent again "
            "unless `may_repeat` says so"
        )
    return JobError(str(error))


def _wrong(params: HttpRequest, answer: Answer, text: str | None, hide: Redactor) -> str | None:
    """Why the answer is not what was wanted."""
    status = answer.status
    if status not in params.expect_status if params.expect_status else not 200 <= status < 300:
        wanted = " or ".join(map(str, params.expect_status)) or "any 2xx"
        said = f"answered {status}, not {wanted}"
        if 300 <= status < 400 and "location" in answer.headers:
            said += f", and points to {place(answer.headers['location'], hide)}"
            said += "; redirects are not followed"
        elif text and text.strip():
            said += f": {on_one_line(text, hide, 200)}"
        return said
    if params.contains is None or (text is not None and params.contains in text):
        return None
    what = hide(repr(params.contains[:100]))
    if answer.body is None:
        return f"answered {status}, packed in a way that cannot be looked into for {what}"
    if text is None:
        return f"answered {status} with what is no text, so {what} is not in it"
    part = "" if answer.is_whole else " the first MiB of"
    return f"answered {status}, but {what} is not in{part} the answer"


def _refused(params: HttpRequest, answer: Answer, wrong: str) -> Outcome:
    """Raises `JobError` where it is not for later."""
    if answer.status in HOPELESS:
        raise PermanentError(wrong)
    if answer.status in NOT_NOW:
        later = answer.headers.get("retry-after", "")
        if later.isascii() and later.isdigit() and len(later) < 10:
            return RetryLater(wrong, min(timedelta(seconds=int(later)), LONGEST_WAIT))
    elif not params.repeatable:
        raise PermanentError(
            f"{wrong}; {params.method} is not sent again unless `may_repeat` says so"
        )
    raise JobError(wrong)


job = Job(run=run, params=HttpRequest, check=check)
