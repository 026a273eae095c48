"""If-Match and If-None-Match (RFC 9110, section 13): the versions of a task that a request may act on."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import Request, Response

from app.http.blueprint import raises, takes, the_request
from app.http.problems import NotFound
from app.tasks.problems import PreconditionFailed


@dataclass(frozen=True, slots=True)
class Versions:
    """Some versions, or every version."""

    numbers: frozenset[int] = frozenset()
    every: bool = False

    def __contains__(self, version: int) -> bool:
        return self.every or version in self.numbers


EVERY, NO_VERSION = Versions(every=True), Versions()


@dataclass(frozen=True, slots=True)
class Precondition:
    """A task's version must be among the wanted and not among the unwanted ones."""

    wanted: Versions = EVERY
    unwanted: Versions = NO_VERSION
    # Why it can never be met, where that is so.
    hint: str | None = None

    def require(self, version: int) -> None:
        """Raise PreconditionFailed unless a task in this version may be written."""
        if not self.allows(version):
            raise PreconditionFailed(self.hint)

    def allows(self, version: int) -> bool:
        return version in self.wanted and version not in self.unwanted


ANY = Precondition()

# RFC 9110, sections 8.8.3 and 5.6.1: empty elements of a list must be ignored.
_TAGS = r'[ \t]*(?:(?:W/)?"[^"]*"[ \t]*)?'
_LIST = re.compile(f"{_TAGS}(?:,{_TAGS})*")
_OUR_TAG = re.compile(r'(W/)?"([1-9][0-9]{0,8})"')


def etag(version: int) -> str:
    """Return the strong ETag of a version."""
    return f'"{version}"'


def precondition_of(request: Request) -> Precondition:
    """Read a change's precondition: If-Match compares strongly, If-None-Match weakly (section 8.8.3.2)."""
    # Most requests have neither: the environment tells faster than the headers made of it.
    if "HTTP_IF_MATCH" not in request.environ and "HTTP_IF_NONE_MATCH" not in request.environ:
        return ANY
    unwanted = _versions(request.headers.get("If-None-Match", ""), strong=False)
    if "If-Match" not in request.headers:
        return Precondition(unwanted=unwanted)
    wanted = request.headers["If-Match"]
    return Precondition(_versions(wanted, strong=True), unwanted, _hint(wanted))


def _hint(wanted: str) -> str | None:
    if not _LIST.fullmatch(wanted) and wanted.strip(" \t") != "*":
        return 'If-Match is not a list of ETags: send one as you got it, with its quotation marks, such as "3".'
    if "W/" in wanted:
        return (
            "If-Match holds a weak ETag (W/), which matches nothing (RFC 9110, section 13.1.1). "
            "Send it without the W/. A proxy makes ETags weak if it compresses responses."
        )
    return None


def conditional(view: Callable[..., Response]) -> Callable[..., Response]:
    """Pass the precondition in If-Match and If-None-Match to a view, as the argument `precondition`."""

    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Response:
        return view(*args, precondition=precondition_of(the_request()), **kwargs)

    return takes("If-Match", "If-None-Match")(raises(NotFound, PreconditionFailed)(wrapper))


def is_unchanged(request: Request, version: int) -> bool:
    """Return whether the client already has this version, so that the response can be 304."""
    known = request.environ.get("HTTP_IF_NONE_MATCH")
    return known is not None and version in _versions(known, strong=False)


def _versions(header: str, strong: bool) -> Versions:
    """Return the versions in a list of ETags. Other text, and ETags that this service did not make, name none."""
    if header.strip(" \t") == "*":
        return EVERY
    if not _LIST.fullmatch(header):
        return NO_VERSION
    return Versions(frozenset(int(number) for weak, number in _OUR_TAG.findall(header) if not (strong and weak)))
