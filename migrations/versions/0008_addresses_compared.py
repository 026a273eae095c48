"""Compare addresses letter by letter, and their domains in the form of the DNS."""

import logging
import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

PAGE = 1_000

users = sa.table("users", sa.column("id", sa.Text), sa.column("email", sa.Text))
user_emails = sa.table("user_emails", sa.column("email", sa.Text), sa.column("user_id", sa.Text))

logger = logging.getLogger("alembic.runtime.migration")


def fold(email: str) -> str:
    """Fold an address like the service at this revision."""
    local, at, domain = email.rpartition("@")
    domain = unicodedata.normalize("NFKC", domain)
    return lower(local) + at + ".".join(map(ascii_label, lower(domain).split(".")))


def lower(text: str) -> str:
    lowered = unicodedata.normalize("NFC", text).lower().replace("ς", "σ")
    return unicodedata.normalize("NFC", lowered)


def ascii_label(label: str) -> str:
    return label if label.isascii() else f"xn--{label.encode('punycode').decode()}"


def fold_before(email: str) -> str:
    return unicodedata.normalize("NFC", email).casefold()


def upgrade() -> None:
    refold(fold_before, fold)


def downgrade() -> None:
    refold(fold, fold_before)


def refold(before, after) -> None:
    """Claim each address in its other form.

    If another account already has that form (such as a domain in Unicode and in Punycode), the claim stays unchanged:
    the account still exists, but nobody can sign in to it by this address.
    """
    connection, last = op.get_bind(), ""
    while page := connection.execute(next_users(last)).all():
        for user_id, email in page:
            if before(email) == after(email):
                continue
            taken = connection.execute(sa.select(user_emails).where(user_emails.c.email == after(email))).first()
            if taken:
                logger.warning("users %s and %s have the same address now", user_id, taken.user_id)
                continue
            mine = (user_emails.c.email == before(email)) & (user_emails.c.user_id == user_id)
            connection.execute(sa.update(user_emails).where(mine).values(email=after(email)))
        last = page[-1].id


def next_users(last: str) -> sa.Select[tuple[str, str]]:
    with_address = sa.select(users.c.id, users.c.email).where(users.c.id > last, users.c.email.is_not(None))
    return with_address.order_by(users.c.id).limit(PAGE)
