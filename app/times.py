"""Times as the API writes them: text, in UTC."""

from datetime import UTC, datetime


def rfc3339(moment: datetime) -> str:
    """An aware time as the API writes it: UTC, `Z`, always six digits of microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
