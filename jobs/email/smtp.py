"""How does a message reach an SMTP server, and what does the server's answer mean?

One connection, kept over many messages. Certificates are verified but for this machine's own
server; a password is never sent in the clear but to this machine.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from jobs.email.delivery import Answer, Deferred, Delivery, Refused, Sent, Trouble
from jobs.email.message import Ready

if TYPE_CHECKING:
    from aiosmtplib import SMTP

CONNECT_SECONDS = 20.0
COMMAND_SECONDS = 60.0
DATA_SECONDS = 120.0
"""For the message and its answer: a server may look closely at what it gets."""
QUIT_SECONDS = 2.0
COMPLETED = 250
MOST_MESSAGES = 100
"""On one connection; many servers close it about there."""


@dataclass(frozen=True, slots=True)
class Server:
    """`SMTP_URL`, read."""

    host: str
    port: int
    implicit_tls: bool
    user: str | None = None
    password: SecretStr = field(default_factory=lambda: SecretStr(""))
    is_local: bool = False
    """This machine's own: its certificate is not verified, a password may go in the clear."""

    @classmethod
    def read(cls, url: SecretStr) -> Server:
        """Raises `Trouble` where the port is none; the rest was looked at when the daemon began."""
        parts = urlsplit(url.get_secret_value())
        implicit = parts.scheme == "smtps"
        host = parts.hostname or ""
        try:
            port = parts.port or (465 if implicit else 587)
        except ValueError as error:
            raise Trouble("the port in SMTP_URL is not a number up to 65535") from error
        return cls(
            host=host,
            port=port,
            implicit_tls=implicit,
            user=unquote(parts.username) if parts.username else None,
            password=SecretStr(unquote(parts.password or "")),
            is_local=_is_loopback(host),
        )

    def tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.is_local:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


NO_SMTP = "the server answered what is no answer in SMTP"


class SmtpChannel:
    """One connection to a server. It connects when it has to."""

    def __init__(self, server: Server, tls: ssl.SSLContext | None = None) -> None:
        """Several connections may share a context; it takes a while to make."""
        self._server = server
        self._tls = tls or server.tls()
        self._client: SMTP | None = None
        self._messages = 0
        self._sending = False

    async def open(self) -> None:
        if self._client is not None and self._client.is_connected:
            if self._messages < MOST_MESSAGES:
                return
            await self.close()
        self._client = await self._connect()
        self._messages = 0

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        from aiosmtplib import SMTPException

        with suppress(SMTPException, OSError):
            if client.is_connected:
                await client.quit(timeout=QUIT_SECONDS)
        client.close()

    async def deliver(self, ready: Ready) -> Delivery:
        from aiosmtplib import SMTPException

        for fresh in (False, True):
            kept = not fresh and self._client is not None
            await self.open()
            kept = kept and self._messages > 0
            self._messages += 1
            assert self._client is not None  # noqa: S101 - `open` has made it
            self._sending = False
            try:
                return await self._send(self._client, ready)
            except (SMTPException, OSError) as error:
                await self._drop()
                if self._sending:
                    return Deferred("the connection was lost before the answer", unclear=True)
                if not kept:
                    return Deferred(f"the connection was lost ({type(error).__name__})")
                # A kept connection may have been closed since; nothing was handed over on it.
        raise AssertionError("the second connection is a fresh one")

    async def _send(self, client: SMTP, ready: Ready) -> Delivery:
        """Raises aiosmtplib's errors where the connection is lost or the server talks nonsense."""
        from aiosmtplib import SMTPDataError, SMTPRecipientRefused, SMTPSenderRefused

        options = []
        if ready.international:
            if not client.supports_extension("smtputf8"):
                text = "the server takes only addresses of plain letters"
                return Refused(Answer(553, text))
            options = ["SMTPUTF8", "BODY=8BITMIME"]
        encoding = "utf-8" if ready.international else "ascii"
        try:
            await client.mail(
                ready.sender, options=options, encoding=encoding, timeout=COMMAND_SECONDS
            )
        except SMTPSenderRefused as error:
            answer = Answer(error.code, error.message)
            await self._reset(answer)
            if answer.is_final:
                raise Trouble(
                    f"the mail server refused the sender ({answer.short})", str(answer)
                ) from error
            return Deferred("the server refused the sender for now", answer)

        refused: dict[str, Answer] = {}
        for email in (ready.to, *ready.others):
            try:
                await client.rcpt(email, encoding=encoding, timeout=COMMAND_SECONDS)
            except SMTPRecipientRefused as error:
                answer = Answer(error.code, error.message)
                if email == ready.to:
                    await self._reset(answer)
                    return self._refusal(answer, recipient=True)
                # The message goes to whom it is for; the others are only told of.
                refused[email] = answer
                if answer.code == 421:
                    await self._drop()
                    return Deferred("the server closed the connection", answer)
        try:
            self._sending = True
            said = await client.data(ready.data, timeout=DATA_SECONDS)
        except SMTPDataError as error:
            answer = Answer(error.code, error.message)
            self._sending = False
            if answer.code == COMPLETED:
                # After the message it would be no error: it is the answer to DATA, and out of step.
                await self._drop()
                return Deferred("the server's answers are out of step", answer)
            if 200 <= answer.code < 300:
                return Sent(answer, refused)
            if answer.is_nonsense:
                await self._drop()
                return Deferred(NO_SMTP, answer, unclear=True)
            await self._reset(answer)
            return self._refusal(answer)
        return Sent(Answer(said.code, said.message), refused)

    def _refusal(self, answer: Answer, *, recipient: bool = False) -> Deferred | Refused:
        if not answer.is_final:
            why = NO_SMTP if answer.is_nonsense else "the server said to try again later"
            return Deferred(why, answer)
        if answer.is_ours:
            raise Trouble(
                f"the mail server refuses what we send ({answer.short}): its rules, or our name",
                str(answer),
            )
        return Refused(answer, bounced=recipient and answer.is_bounce)

    async def _reset(self, answer: Answer) -> None:
        """After a refusal: the connection is ready for the next message, or is given up."""
        from aiosmtplib import SMTPException

        if answer.code != 421 and self._client is not None and self._client.is_connected:
            try:
                await self._client.rset(timeout=COMMAND_SECONDS)
            except (SMTPException, OSError):
                await self._drop()
        else:
            await self._drop()

    async def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None

    async def _connect(self) -> SMTP:
        import aiosmtplib

        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.implicit_tls,
            start_tls=False,
            timeout=CONNECT_SECONDS,
            tls_context=self._tls,
        )
        try:
            async with _explained():
                await client.connect()
                await client.ehlo()
                secure = server.implicit_tls
                if not secure and client.supports_extension("starttls"):
                    await client.starttls()
                    await client.ehlo()
                    secure = True
            if server.user is not None:
                if not secure and not server.is_local:
                    raise Trouble("the mail server offers no TLS, so it gets no password")
                await self._log_in(client, server.user)
        except BaseException:
            client.close()
            raise
        return client

    async def _log_in(self, client: SMTP, user: str) -> None:
        from aiosmtplib import SMTPAuthenticationError, SMTPException

        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                await client.login(user, self._server.password.get_secret_value())
        except SMTPAuthenticationError as error:
            answer = Answer(error.code, error.message)
            how = "user name or password" if answer.code >= 500 else "user name or password for now"
            raise Trouble(
                f"the mail server refused the {how} ({answer.short})", str(answer)
            ) from error
        except (SMTPException, OSError) as error:
            raise Trouble("the mail server lets nobody log in so", repr(error)) from error


@asynccontextmanager
async def _explained() -> AsyncIterator[None]:
    """What keeps a connection from being made, as `Trouble`."""
    from aiosmtplib import SMTPException, SMTPResponseException

    try:
        yield
    except SMTPResponseException as error:
        answer = Answer(error.code, error.message)
        reason = f"the mail server did not let us in ({answer.short})"
        raise Trouble(reason, str(answer)) from error
    except (SMTPException, OSError) as error:
        root: BaseException = error
        while (cause := root.__cause__ or root.__context__) is not None:
            root = cause
        if any(isinstance(e, ssl.SSLCertVerificationError) for e in (error, root)):
            raise Trouble(
                "the mail server's certificate is not to be trusted", str(root)
            ) from error
        if any(isinstance(e, ssl.SSLError) for e in (error, root)):
            raise Trouble("no TLS could be agreed with the mail server", str(root)) from error
        raise Trouble(
            "the mail server cannot be reached", str(error) or type(error).__name__
        ) from error
