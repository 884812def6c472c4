#!/usr/bin/python3
"""A mail server on loopback, for tests: keeps what it receives, and misbehaves on request.

    server.py DIR [--tls CERT KEY] [--auth USER PASSWORD] [--ascii] [--unwelcome ANSWER] [--discard]

Listens on a free port (or on that in DIR/port, if there is such a file) and writes it to DIR/port. Each message
accepted becomes a line of JSON in DIR/mail, each recipient asked for a line in DIR/rcpt; with --discard, neither;
with --unwelcome, ANSWER to every MAIL FROM. The recipient's name says what happens to it:

    451, 550, 421       that answer to RCPT TO
    policy, user, ...   the answers below
    later, never        452 and 554 to the message
    quote               554 to the message, with the first link in it
    slow                no answer to the message for a minute
    delay               accepted after 7 seconds
    close               the connection ends in place of an answer to the message
    kill                accepted, and the process whose id is in DIR/victim killed before it hears of it; once
    wait                accepted as soon as DIR/go exists
"""
import argparse
import asyncio
import email
import email.policy
import json
import os
import re
import signal
import socket
import ssl

from aiosmtpd.smtp import SMTP, AuthResult

RCPT_ANSWERS = {
    "451": "451 4.3.0 try again later",
    "550": "550 5.1.1 no such mailbox",
    "421": "421 4.3.2 going down",
    # About the sender.
    "policy": "550 5.7.1 relaying denied",
    "access": "554 5.7.1 <access@example.com>: Relay access denied",
    "spf": "550 5.7.23 SPF validation failed",
    "ptr": "550 5.7.25 no reverse DNS",
    "list": "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
    "login": "530 5.7.0 Authentication required",
    "helo": "504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname",
    "domain": "550 5.1.8 <no-reply@app.example>: Sender address rejected: Domain not found",
    "sender": "550 5.1.7 <no-reply@app.example>: Sender address rejected: undeliverable",
    "unlisted": "550 5.1.0 <no-reply@app.example>: Sender address rejected: User unknown in virtual mailbox table",
    "barelogin": "530 must issue a STARTTLS command first",
    "barerelay": "550 relay not permitted",
    "bareverify": "550-Verification failed for <no-reply@app.example>\r\n550-No such user here\r\n550 Sender verify failed",
    "barehelo": "550 Access denied - Invalid HELO name (See RFC2821 4.1.1.1)",
    "barelist": "550 192.0.2.1 is in a black list at bl.example",
    "qmail": "553 sorry, that domain isn't in my list of allowed rcpthosts",
    # About the recipient.
    "user": "550 5.1.1 <user@example.com>: Recipient address rejected: User unknown",
    "full": "552 5.2.2 mailbox full",
    "nullmx": "556 5.1.10 recipient domain takes no mail",
    "bareuser": "550 No such user here",
    "relay": "550 <relay@example.com>: user unknown",
    # Who knows.
    "bare": "550 no",
    "zeroes": "550 5.0.0 no",
}
MESSAGE_ANSWERS = {
    "later": "452 4.3.1 insufficient storage",
    "never": "554 5.6.0 not acceptable",
}


def write_file(path, text):
    """Whole or not at all: somebody waits for it."""
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(path + ".tmp", path)


class Discard:
    async def handle_DATA(self, server, session, envelope):
        return "250 OK"


class Handler:
    def __init__(self, directory, unwelcome):
        self.directory = directory
        self.unwelcome = unwelcome

    def path(self, name):
        return os.path.join(self.directory, name)

    def append(self, name, line):
        with open(self.path(name), "a", encoding="utf-8") as file:
            file.write(line + "\n")

    async def handle_MAIL(self, server, session, envelope, address, options):
        if self.unwelcome:
            return self.unwelcome
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.append("rcpt", address)
        answer = RCPT_ANSWERS.get(address.split("@")[0])
        if answer is None:
            envelope.rcpt_tos.append(address)
            answer = "250 OK"
        return answer

    async def handle_DATA(self, server, session, envelope):
        name = envelope.rcpt_tos[0].split("@")[0]
        if name in MESSAGE_ANSWERS:
            return MESSAGE_ANSWERS[name]
        if name == "quote":
            return "554 5.6.0 blocked: " + re.search(rb"https?://\S+", envelope.content)[0].decode()
        if name == "close":
            server.transport.abort()
            return "250 nobody hears this"
        if name == "slow":
            await asyncio.sleep(60)
        if name == "delay":
            await asyncio.sleep(7)
        while name == "wait" and not os.path.exists(self.path("go")):
            await asyncio.sleep(0.05)
        self.keep(session, envelope)
        if name == "kill" and os.path.exists(self.path("victim")):
            with open(self.path("victim"), encoding="ascii") as file:
                os.kill(int(file.read()), signal.SIGKILL)
            os.remove(self.path("victim"))
        return "250 OK"

    def keep(self, session, envelope):
        message = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        self.append("mail", json.dumps({
            "mail_from": envelope.mail_from,
            "rcpt_to": envelope.rcpt_tos,
            "login": (session.auth_data or None) and session.auth_data.decode(),
            "tls": session.ssl is not None,
            "connection": session.peer[1],
            "raw": envelope.original_content.decode("utf-8", "replace"),
            "headers": [[name, str(value)] for name, value in message.items()],
            "defects": [str(defect) for defect in message.defects],
            "type": message.get_content_type(),
            "parts": [[part.get_content_type(), part.get_content().replace("\r\n", "\n")]
                      for part in message.walk() if not part.is_multipart()],
            "body": message.get_body(("plain",)).get_content().replace("\r\n", "\n"),
        }))


def login(user, password):
    def check(server, session, envelope, mechanism, data):
        ok = (data.login, data.password) == (user.encode(), password.encode())
        return AuthResult(success=ok, handled=ok, auth_data=data.login)
    return check


async def serve(arguments):
    handler = Handler(arguments.directory, arguments.unwelcome)
    options = {"enable_SMTPUTF8": not arguments.ascii, "hostname": "mail.test"}
    if arguments.tls:
        options["tls_context"] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        options["tls_context"].load_cert_chain(*arguments.tls)
        options["require_starttls"] = True
    if arguments.auth:
        options["authenticator"] = login(*arguments.auth)
        options["auth_required"] = True
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    port = 0
    if os.path.exists(handler.path("port")):
        with open(handler.path("port"), encoding="ascii") as file:
            port = int(file.read())
    listener.bind(("127.0.0.1", port))
    loop = asyncio.get_running_loop()
    behaviour = Discard() if arguments.discard else handler
    server = await loop.create_server(lambda: SMTP(behaviour, loop=loop, **options), sock=listener)
    write_file(handler.path("port"), str(listener.getsockname()[1]))
    write_file(handler.path("ready"), str(os.getpid()))
    await server.serve_forever()


parser = argparse.ArgumentParser()
parser.add_argument("directory")
parser.add_argument("--tls", nargs=2)
parser.add_argument("--auth", nargs=2)
parser.add_argument("--ascii", action="store_true")
parser.add_argument("--unwelcome")
parser.add_argument("--discard", action="store_true")
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
asyncio.run(serve(parser.parse_args()))
