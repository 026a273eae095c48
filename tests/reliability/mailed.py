"""Compare the mails that a mail server got, and what their links did, with the data."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator

from app.auth.identity import LOCAL_USER_PREFIX
from tests.reliability.audit import Query
from tests.reliability.mailing import PASSWORD_CHANGED, RESET, UNKNOWN, Cause, Mail, Mailing

USERS = "SELECT id, email, pending_email FROM users"
TITLES = "SELECT title FROM tasks"
LINKS = "SELECT token_hash, spent_at IS NOT NULL FROM links"

# The mails of one kind to one address by their ids, which a mail that is sent again keeps.
Sent = dict[tuple[str, str], dict[str, Mail]]


def audit_mails(load: Mailing, query: Query, mails: Collection[Mail]) -> list[str]:
    """Return what is wrong: each committed cause must send one mail, at least once, whose link works once."""
    owners = {name: user[0] for user in query(USERS) for name in user if name}
    is_spent = {link: bool(spent) for link, spent in query(LINKS)}
    there = owners.keys() | {title for (title,) in query(TITLES)} | {link for link in is_spent if is_spent[link]}
    sent: Sent = defaultdict(dict)
    for mail in mails:
        sent[mail.address, mail.subject].setdefault(mail.id, mail)
    distinct = [mail for of_id in sent.values() for mail in of_id.values()]
    causes = [*load.causes, *(_of_reset(load, mail) for mail in distinct if mail.subject == RESET)]
    found = [f"{reply.status} {reply.body}: not expected" for reply in load.surprises]
    found += [f"{mail}: one with the same id is different" for mail in set(mails) - set(distinct)]
    for cause in causes:
        found += _wrong_mails(cause, cause.proof in there, sent[cause.address, cause.subject], owners)
    asked = {(cause.address, cause.subject) for cause in causes}
    found += [f"{mail}: nothing asked for it" for mail in distinct if (mail.address, mail.subject) not in asked]
    for mail in distinct:
        if mail.token:
            found += _wrong_uses(mail, load.uses[mail.token], is_spent.get(_hash(mail.token), True))
    return found


def _of_reset(load: Mailing, mail: Mail) -> Cause:
    """A link that resets a password causes a mail that says so."""
    token = mail.token or ""
    return Cause(PASSWORD_CHANGED, mail.address, 204 if 204 in load.uses[token] else 0, _hash(token))


def _wrong_mails(cause: Cause, is_there: bool, sent: dict[str, Mail], owners: dict[str, str]) -> Iterator[str]:
    if cause.is_acknowledged and not is_there:
        yield f"{cause}: acknowledged and gone"
    if is_there and not sent and not cause.is_optional:
        yield f"{cause}: not sent"
    if sent and not is_there:
        yield f"{cause}: sent, and not there"
    if len(sent) > 1:
        yield f"{cause}: {len(sent)} mails"
    for mail in sent.values():
        # A link's token has its user's id.
        words = owners.get(cause.proof, "").removeprefix(LOCAL_USER_PREFIX) if mail.token else cause.words
        if words not in mail.text:
            yield f"{cause}: of another user"


def _wrong_uses(mail: Mail, uses: list[int], is_spent: bool) -> Iterator[str]:
    """Check that a link worked once, perhaps with a response that was lost, and then no more."""
    worked = uses.count(204)
    if worked > 1:
        yield f"{mail}: its link worked {worked} times"
    if not worked and not (is_spent and set(uses) & set(UNKNOWN)):
        yield f"{mail}: its link did not work: {uses}"
    if uses and uses[-1] != 400:
        yield f"{mail}: its link still works"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
