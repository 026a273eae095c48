"""If-Match and If-None-Match (RFC 9110, section 13): in which versions of a task a request may act."""

from collections.abc import Iterable
from dataclasses import dataclass

from flask import Request
from werkzeug.datastructures import ETags

from app.problems import Problem


class PreconditionFailed(Problem):
    """The task is not in a version that the request's If-Match or If-None-Match allows. Nothing was written."""

    status, code, title = 412, "precondition_failed", "The task has changed"
    detail = "Get the task again, decide anew, and repeat the change with its new ETag."


@dataclass(frozen=True, slots=True)
class Versions:
    """Some versions, or every one."""

    numbers: tuple[int, ...] = ()
    every: bool = False

    def __contains__(self, version: int) -> bool:
        return self.every or version in self.numbers


EVERY, NO_VERSION = Versions(every=True), Versions()


@dataclass(frozen=True, slots=True)
class Precondition:
    """A task must be in one of these versions, and in none of those."""

    wanted: Versions = EVERY
    unwanted: Versions = NO_VERSION

    def allows(self, version: int) -> bool:
        return version in self.wanted and version not in self.unwanted


ANY = Precondition()


def etag(version: int) -> str:
    """The strong tag of a version."""
    return f'"{version}"'


def for_writing(request: Request) -> Precondition:
    """What the headers ask of a change: If-Match by strong comparison, If-None-Match by weak (section 8.8.3.2)."""
    if "If-Match" not in request.headers and "If-None-Match" not in request.headers:
        return ANY
    wanted = _versions(request.if_match, strong=True) if "If-Match" in request.headers else EVERY
    return Precondition(wanted, _versions(request.if_none_match, strong=False))


def is_unchanged(request: Request, version: int) -> bool:
    """Whether a reader has this version already, and 304 will do."""
    return "If-None-Match" in request.headers and version in _versions(request.if_none_match, strong=False)


def _versions(tags: ETags, strong: bool) -> Versions:
    if tags.star_tag:
        return EVERY
    found: Iterable[str] = tags.as_set(include_weak=not strong)
    # Tags that this service did not make match nothing.
    return Versions(tuple(int(tag) for tag in found if tag.isascii() and tag.isdecimal() and len(tag) < 10))
