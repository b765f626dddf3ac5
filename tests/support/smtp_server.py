"""A mail server on loopback that answers as a test says; run in a process of its own.

`smtp_server.py FOLDER [CERT KEY starttls|implicit]` prints its port. What it takes is a line of
JSON in `received.jsonl`. How it answers stands in `answers.json`, which is read at each command:

    {"connect": "554 no", "password": "right", "mail": {"*": "550 5.7.1 no"},
     "rcpt": {"a@example.com": "550 5.1.1 nobody"}, "data": {"a@example.com": "drop"}}

An answer `drop` cuts the connection, `keep and drop` does so once the message is kept, `drop if
used` where the connection has brought a message before. With a `password` everybody has to log in,
as `user`.
"""

from __future__ import annotations

import asyncio
import email
import json
import ssl
import sys
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


class Answers:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "answers.json"
        self._received = folder / "received.jsonl"
        self._used: set[Session] = set()

    def read(self) -> dict[str, Any]:
        if not self._path.exists():
            return {}
        answers: dict[str, Any] = json.loads(self._path.read_text("utf-8"))
        return answers

    def to(self, stage: str, address: str) -> str | None:
        known = self.read().get(stage, {})
        answer: str | None = known.get(address, known.get("*"))
        return answer

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's names
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.to("mail", address)
        if answer == "drop if used":
            answer = "drop" if session in self._used else None
        if answer is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return self._or_drop(server, answer)

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.to("rcpt", address)
        if answer is None:
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(options)
        return self._or_drop(server, answer)

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self._used.add(session)
        answer = self.to("data", envelope.rcpt_tos[0])
        if answer is None or answer == "keep and drop":
            self._keep(server, envelope)
        return self._or_drop(server, answer)

    def _keep(self, server: SMTP, envelope: Envelope) -> None:
        content = envelope.content
        assert isinstance(content, bytes)
        line = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "id": email.message_from_bytes(content)["Message-ID"],
            "data": content.decode("latin-1"),
            "tls": server.transport is not None
            and server.transport.get_extra_info("sslcontext") is not None,
        }
        with self._received.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _or_drop(self, server: SMTP, answer: str | None) -> str:
        if answer in {"drop", "keep and drop"}:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
            return "421 gone"
        return answer or "250 2.0.0 OK"

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        right = data.login == b"user" and data.password.decode() == self.read().get("password")
        message = None if right else "535 5.7.8 user is not let in"
        return AuthResult(success=right, handled=False, message=message)


class Server(SMTP):
    """Refuses the connection itself where the answers say so."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        answers = self.event_handler
        assert isinstance(answers, Answers)
        self._auth_required = "password" in answers.read()
        refusal = answers.read().get("connect")
        if refusal is None:
            super().connection_made(transport)
        else:
            assert isinstance(transport, asyncio.Transport)
            transport.write(f"{refusal}\r\n".encode())
            transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if self.transport is not None:
            super().connection_lost(error)


async def main(folder: Path, cert: str = "", key: str = "", how: str = "") -> None:
    answers = Answers(folder)
    context = None
    if cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)

    def connected() -> Server:
        return Server(
            answers,
            enable_SMTPUTF8=True,
            authenticator=answers.authenticate,
            auth_require_tls=False,
            tls_context=context if how == "starttls" else None,
            hostname="mail.test",
        )

    server = await asyncio.get_running_loop().create_server(
        connected, "127.0.0.1", 0, ssl=context if how == "implicit" else None
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
