#!/usr/bin/env python3
"""An SMTP server that does what a test tells it to.

Prints one JSON line with its port once it listens, appends one JSON line per try to DIR/tries.jsonl, and ends when its
standard input does.

    smtp_server.py DIR --answer "451 4.3.0 busy" --answer "250 OK" --at data --tls starttls --auth user:secret

Each try (one mail, or one connection with --at connect) takes the next --answer; the last one stays. An answer is an SMTP
reply, or "hang" (say nothing more) or "close" (hang up).
"""

import argparse
import asyncio
import base64
import json
import logging
import ssl
import sys
import warnings
from datetime import datetime, timezone
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import trustme
from aiosmtpd.smtp import SMTP, AuthResult


class Script:
    """The answers still to be given, and what was tried."""

    def __init__(self, folder, answers, delay):
        self.path = Path(folder) / "tries.jsonl"
        self.answers = answers
        self.delay = delay

    def next(self, **what):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        at = datetime.now(timezone.utc).isoformat()
        with self.path.open("a") as tries:
            tries.write(json.dumps({"at": at, "answer": answer, **what}) + "\n")
        return answer

    async def perform(self, server, answer):
        """What the client gets to see of `answer`."""
        await asyncio.sleep(self.delay)
        if answer == "hang":
            await asyncio.Event().wait()
        if answer == "close":
            server.transport.abort()
        return answer


class Handler:
    """Receives mails, and answers as scripted after RCPT or after the mail's end."""

    def __init__(self, script, at):
        self.script = script
        self.at = at

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.at == "rcpt":
            answer = self.script.next(mailFrom=envelope.mail_from, rcptTos=[address])
            if not answer.startswith("250"):
                return await self.script.perform(server, answer)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = message_from_bytes(envelope.content, policy=default)
        mail = {
            "mailFrom": envelope.mail_from,
            "rcptTos": envelope.rcpt_tos,
            "headers": {name: str(value) for name, value in message.items()},
            "parts": [
                {"type": part.get_content_type(), "text": part.get_content()}
                for part in message.walk()
                if part.get_content_maintype() == "text"
            ],
            "pictures": [
                {
                    "contentId": part["Content-ID"],
                    "type": part.get_content_type(),
                    "base64": base64.b64encode(part.get_content()).decode(),
                }
                for part in message.walk()
                if part.get_content_maintype() == "image"
            ],
            "tls": server.transport.get_extra_info("ssl_object") is not None,
            "user": session.auth_data.login.decode() if session.authenticated else None,
        }
        if self.at == "data":
            return await self.script.perform(server, self.script.next(**mail))
        with self.script.path.open("a") as tries:
            tries.write(json.dumps({"answer": "250 OK", **mail}) + "\n")
        return "250 OK"


class Greeting(asyncio.Protocol):
    """A server that is not in the mood: one line and goodbye, or not even that."""

    def __init__(self, answer):
        self.answer = answer

    def connection_made(self, transport):
        if self.answer == "hang":
            return
        if self.answer != "close":
            transport.write(self.answer.encode() + b"\r\n")
        transport.close()


def certificate(folder):
    """A certificate for localhost; the authority that signed it goes to DIR/ca.pem."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(Path(folder) / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


async def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("dir")
    arguments.add_argument("--answer", action="append", default=[])
    arguments.add_argument("--at", choices=["connect", "rcpt", "data"], default="data")
    arguments.add_argument("--delay", type=float, default=0)
    arguments.add_argument("--tls", choices=["none", "starttls", "implicit"], default="none")
    arguments.add_argument("--auth", help="user:password that every client has to show")
    options = arguments.parse_args()

    script = Script(options.dir, options.answer or ["250 OK"], options.delay)
    tls = certificate(options.dir) if options.tls != "none" else None
    starttls = options.tls == "starttls"

    def authenticate(server, session, envelope, mechanism, data):
        shown = f"{data.login.decode()}:{data.password.decode()}"
        return AuthResult(success=shown == options.auth, handled=False, auth_data=data)

    def connected():
        if options.at == "connect":
            answer = script.next()
            if not answer.startswith("250"):
                return Greeting(answer)
        return SMTP(
            Handler(script, options.at),
            hostname="localhost",
            tls_context=tls if starttls else None,
            require_starttls=starttls,
            auth_required=options.auth is not None,
            auth_require_tls=starttls,
            authenticator=authenticate if options.auth else None,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(connected, "127.0.0.1", 0, ssl=tls if options.tls == "implicit" else None)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    # Broken handshakes and open relays are what the tests ask for.
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
