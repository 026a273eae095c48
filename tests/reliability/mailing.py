"""A load of all that sends mails, which logs each cause of a mail and each use of a link."""

import random
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import Any, NamedTuple

from aiosmtpd.smtp import Envelope, Session

from tests.auth.people import PASSWORD, new_email
from tests.mail.conftest import LINK, NEW_PASSWORD, Mailbox
from tests.reliability.load import Client, Load, Reply
from tests.waiting import until

VERIFY, RESET = "Verify your address", "Reset your password"
PASSWORD_CHANGED, ADDRESS_CHANGING = "Your password was changed", "Your address is about to change"
REMINDER = "Reminder of a task"
PATHS = {"verify": "/v1/auth/email/verify", "reset": "/v1/auth/password/reset"}
REMINDED_AFTER_SECONDS = 2
WRITERS = 4
# What fails sends nothing. It takes a password's hash, as most that sends does.
FAILING_SHARE = 0.2
# Accounts of a writer that wait for a mail, most of them because what sent it was killed.
MAX_WAITING = 40
DONE = (200, 201, 202, 204)
# A commit may have happened, or not.
UNKNOWN = (0, 503)


class Mail(NamedTuple):
    address: str
    id: str
    subject: str
    text: str

    @property
    def token(self) -> str | None:
        found = LINK.search(self.text)
        return found[1] if found else None


class Letters(Mailbox):
    """A mailbox that fails now and then, and finds the mails of an address at once."""

    def __init__(self, failing: float) -> None:
        super().__init__()
        self.got: list[Mail] = []
        self.by_kind: dict[tuple[str, str], Mail] = {}
        chance = random.Random(1)
        self.failing = failing
        self.answer = lambda recipient: "451 later" if chance.random() < self.failing else "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        written = message_from_bytes(envelope.content, policy=policy.default)
        [address] = envelope.rcpt_tos
        mail = Mail(address, written["Message-ID"], written["Subject"], written.get_content())
        self.by_kind[mail.address, mail.subject] = mail
        self.got.append(mail)
        return "250 OK"


@dataclass(frozen=True)
class Cause:
    """What asked for a mail. `proof` is in the database if it is committed, and `words` are in the mail.

    An optional one may send none, because its time may have passed, or nothing in the database shows that it happened.
    """

    subject: str
    address: str
    status: int
    proof: str
    words: str = ""
    is_optional: bool = False

    @property
    def is_acknowledged(self) -> bool:
        return self.status in DONE


class Mailing(Load):
    """Writers who register accounts and do with each all that sends mails."""

    def __init__(self, port: int, letters: Letters) -> None:
        super().__init__(port, users=0)
        self.letters, self.causes, self.surprises = letters, list[Cause](), list[Reply]()
        self.uses: dict[str, list[int]] = defaultdict(list)
        self._threads = [threading.Thread(target=self._run, args=(random.Random(seed),)) for seed in range(WRITERS)]

    def acknowledged(self) -> int:
        return sum(cause.is_acknowledged and not cause.is_optional for cause in self.causes)

    def __str__(self) -> str:
        doubtful = [cause for cause in self.causes if cause.status in UNKNOWN]
        committed = sum((cause.address, cause.subject) in self.letters.by_kind for cause in doubtful)
        worked = sum(uses.count(204) for uses in self.uses.values())
        mails, ids = len(self.letters.got), len({mail.id for mail in self.letters.got})
        return (
            f"{self.acknowledged()} causes acknowledged, {len(doubtful)} in doubt, {committed} of them sent; "
            f"{mails} mails, {mails - ids} of them again; {len(self.uses)} links used, {worked} with a success response"
        )

    def use(self, token: str, client: Client) -> None:
        """Use a link until the response says whether it worked, and once more."""
        purpose = token.split("_")[1]
        body = {"token": token, **({"new_password": NEW_PASSWORD} if purpose == "reset" else {})}

        def is_known() -> bool:
            reply = client.call("POST", PATHS[purpose], body)
            self.uses[token].append(reply.status)
            return reply.status not in (-1, *UNKNOWN)

        until(is_known, "a response to a link")
        until(is_known, "a response to a used link")

    def use_the_rest(self) -> None:
        """Use the links that came too late for the writers."""
        client = Client(self.port, "", kept=False)
        for token in {mail.token: None for mail in self.letters.got if mail.token not in self.uses}:
            if token:
                self.use(token, client)

    def _run(self, chance: random.Random) -> None:
        waiting: list[tuple[Iterator[tuple[str, str]], tuple[str, str]]] = []
        while not self.is_ended:
            ready = [each for each in waiting if each[1] in self.letters.by_kind]
            if ready:
                waiting.remove(ready[0])
                life = ready[0][0]
            elif len(waiting) < MAX_WAITING:
                life = Account(self, chance).live()
            else:
                self.pause(0.05)
                continue
            if wanted := next(life, None):
                waiting.append((life, wanted))
            self.pause()


class Account:
    """An account that asks for each kind of mail once, and is left alone after a response that leaves a doubt."""

    def __init__(self, load: Mailing, chance: random.Random) -> None:
        self.load, self.chance = load, chance
        self.address, self.password, self.id, self.reminder = new_email(), PASSWORD, "", ""
        self.client = Client(load.port, "", kept=False)

    def live(self) -> Iterator[tuple[str, str]]:
        """Do all, and yield each mail that must come first."""
        reply = self.ask("POST", "/v1/auth/register", 201, email=self.address, password=self.password)
        self.id = reply.body["user"]["id"] if reply.status == 201 else ""
        self.note(reply, VERIFY, proof=self.id or self.address)
        if not self.id:
            return
        if self.chance.random() < FAILING_SHARE:
            self.ask("POST", "/v1/auth/register", 409, email=self.address, password=self.password)
        self.client.token = reply.body["access_token"]
        yield self.address, VERIFY
        self.follow(VERIFY)
        for turn in self.chance.sample([self.be_reminded, self.forget, self.move], 3):
            wanted = turn()
            if wanted is None:
                return
            yield wanted
            self.follow(wanted[1])

    def be_reminded(self) -> tuple[str, str] | None:
        if self.ask("PATCH", "/v1/auth/me", 200, reminder_mail=True).status != 200:
            return None
        title, at = f"tea of {self.id}", datetime.now(UTC) + timedelta(seconds=REMINDED_AFTER_SECONDS)
        reply = self.ask("POST", "/v1/tasks", 201, title=title, reminders=[{"at": at.isoformat()}])
        is_late = reply.status != 201 or datetime.now(UTC) >= at
        self.note(reply, REMINDER, proof=title, words=title, is_optional=is_late)
        self.reminder = title
        return None if is_late else (self.address, REMINDER)

    def forget(self) -> tuple[str, str] | None:
        reply = self.ask("POST", "/v1/auth/password/forgot", 202, email=self.address)
        self.note(reply, RESET, proof=self.id, is_optional=reply.status != 202)
        return (self.address, RESET) if reply.status == 202 else None

    def move(self) -> tuple[str, str] | None:
        if self.chance.random() < FAILING_SHARE:
            self.ask("PATCH", "/v1/auth/me", 401, email=new_email(), password="wrong password")
        address = new_email()
        reply = self.ask("PATCH", "/v1/auth/me", 200, email=address, password=self.password)
        self.note(reply, ADDRESS_CHANGING, proof=address)
        self.address = address
        self.note(reply, VERIFY, proof=address)
        if self.reminder:
            # If its sender was killed, it is sent again, to the address of that time.
            self.note(reply, REMINDER, proof=self.reminder, words=self.reminder, is_optional=True)
        return (address, VERIFY) if reply.status == 200 else None

    def follow(self, subject: str) -> None:
        """Use the link of a mail that has come; after a reset, sign in with the new password."""
        token = self.load.letters.by_kind[self.address, subject].token
        if token:
            self.load.use(token, self.client)
        if subject == RESET:
            self.password = NEW_PASSWORD

            def signed_in() -> bool:
                reply = self.ask("POST", "/v1/auth/login", 200, email=self.address, password=self.password)
                self.client.token = reply.body["access_token"] if reply.status == 200 else ""
                return reply.status not in (-1, *UNKNOWN)

            until(signed_in, "a session")

    def ask(self, method: str, path: str, expected: int, **body: Any) -> Reply:
        """Send a request once, and note a response that is neither the expected one nor a fault's."""
        reply = self.client.call(method, path, body)
        if reply.status not in (expected, -1, *UNKNOWN):
            self.load.surprises.append(reply)
        if reply.status != expected:
            self.load.pause(0.3)
        return reply

    def note(self, reply: Reply, subject: str, proof: str, words: str = "", is_optional: bool = False) -> None:
        self.load.causes.append(Cause(subject, self.address, reply.status, proof, words, is_optional))
