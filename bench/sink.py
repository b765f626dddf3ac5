"""A mail server that takes everything and keeps nothing; says its port when it is ready.

Run as `sink.py`, in a process of its own.
"""

from __future__ import annotations

import asyncio

from aiosmtpd.smtp import SMTP, Envelope, Session


class Sink:
    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, _envelope: Envelope
    ) -> str:
        return "250 2.0.0 taken"


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Sink(), hostname="sink.test"), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
