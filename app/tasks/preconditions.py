"""If-Match and If-None-Match (RFC 9110, section 13): in which versions of a task a request may act."""

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
    """Some versions, or every one."""

    numbers: frozenset[int] = frozenset()
    every: bool = False

    def __contains__(self, version: int) -> bool:
        return self.every or version in self.numbers


EVERY, NO_VERSION = Versions(every=True), Versions()


@dataclass(frozen=True, slots=True)
class Precondition:
    """A task must be in one of these versions, and in none of those."""

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

# RFC 9110, sections 8.8.3 and 5.6.1: empty elements of a list are to be ignored.
_TAGS = r'[ \t]*(?:(?:W/)?"[^"]*"[ \t]*)?'
_LIST = re.compile(f"{_TAGS}(?:,{_TAGS})*")
_OUR_TAG = re.compile(r'(W/)?"([1-9][0-9]{0,8})"')


def etag(version: int) -> str:
    """The strong tag of a version."""
    return f'"{version}"'


def precondition_of(request: Request) -> Precondition:
    """What the headers ask of a change: If-Match by strong comparison, If-None-Match by weak (section 8.8.3.2)."""
    if "If-Match" not in request.headers and "If-None-Match" not in request.headers:
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
    """Give a view what If-Match and If-None-Match ask of its change, as the argument `precondition`."""

    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Response:
        return view(*args, precondition=precondition_of(the_request()), **kwargs)

    return takes("If-Match", "If-None-Match")(raises(NotFound, PreconditionFailed)(wrapper))


def is_unchanged(request: Request, version: int) -> bool:
    """Whether a reader has this version already, and 304 will do."""
    return version in _versions(request.headers.get("If-None-Match", ""), strong=False)


def _versions(header: str, strong: bool) -> Versions:
    """What a list of tags names; what is no such list names nothing, nor does a tag that this service did not make."""
    if header.strip(" \t") == "*":
        return EVERY
    if not _LIST.fullmatch(header):
        return NO_VERSION
    return Versions(frozenset(int(number) for weak, number in _OUR_TAG.findall(header) if not (strong and weak)))
