"""The errors of webhooks."""

from app.http.problems import Problem


class NotDeliverable(Problem):
    """The webhook is switched off, or the delivery has arrived already."""

    status, code, title = 409, "not_deliverable", "There is nothing to send"
    detail = 'The webhook is switched off. Switch it on first: PATCH {"enabled": true}.'
