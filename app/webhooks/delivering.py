"""Deliver a message of the outbox to its webhook, and decide what follows if it does not arrive."""

import random
import time
from typing import Any

from app.database.statements import Row
from app.outbox.delivery import Again, Delivered, Done, Failed, Outcome
from app.outbox.log import postpone_messages
from app.services import services
from app.webhooks.addresses import NotReachable, read_target
from app.webhooks.bodies import without_content
from app.webhooks.sending import Answer, post
from app.webhooks.signing import headers
from app.webhooks.store import KIND, find_webhook, switch_off

# In seconds: how long after each attempt that failed the next one is made.
PAUSES = (5, 5 * 60, 30 * 60, 2 * 3_600, 5 * 3_600, 10 * 3_600, 14 * 3_600, 20 * 3_600, 24 * 3_600)
# At random longer by up to this share, so that what failed together does not come back together.
JITTER = 0.1
# The longest that a receiver can ask for.
RETRY_AFTER_SECONDS = 24 * 3_600
GONE = 410
# Messages that one process sends at once. Nearly all of the time they wait for their receivers.
SENT_AT_ONCE = 32


def deliver(message: Any) -> Outcome:
    """Send a message, in the scope of its user and outside of any transaction."""
    webhook = find_webhook(message.user_id, message.key)
    if webhook is None:
        return Done()
    if not webhook.enabled:
        return Failed("The webhook is switched off.")
    try:
        answer = _send(message, webhook)
    except NotReachable as reason:
        return _again(message, webhook, str(reason))
    if 200 <= answer.status < 300:
        return Delivered(answer.status, without_content(message.body))
    if answer.status == GONE:
        return _give_up(message, webhook, "It answered that it is gone (status 410).", GONE)
    if answer.retry_after is not None:
        # Of all its messages, not only of this one.
        postpone_messages(message.user_id, KIND, message.key, min(answer.retry_after, RETRY_AFTER_SECONDS))
    return _again(message, webhook, f"It answered with status {answer.status}.", answer)


def _send(message: Any, webhook: Row) -> Answer:
    allow_private = services().settings.webhooks_allow_private
    body, secrets = message.body.encode(), filter(None, (webhook.secret, webhook.old_secret))
    signed = headers(message.id, int(time.time()), body, secrets)
    return post(read_target(webhook.url, allow_private), signed, body, allow_private)


def _again(message: Any, webhook: Row, error: str, answer: Answer | None = None) -> Outcome:
    status, wish = (answer.status, answer.retry_after) if answer else (None, None)
    if message.attempts > len(PAUSES):
        return _give_up(message, webhook, f"{message.attempts} attempts failed. {error}", status)
    pause = PAUSES[message.attempts - 1] * random.uniform(1, 1 + JITTER)  # noqa: S311 (no secret)
    return Again(max(pause, min(wish or 0, RETRY_AFTER_SECONDS)), error, status)


def _give_up(message: Any, webhook: Row, reason: str, status: int | None) -> Failed:
    switch_off(message.user_id, message.key, webhook.url, reason)
    return Failed(reason, status)
