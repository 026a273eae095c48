"""The documents that are the same for everybody: compressed, and with a validator; nothing else is compressed."""

import gzip
import re
from uuid import uuid4

import pytest

from app.ops.docs import FOLDERS
from tests.api.support.calls import BATCH, CHANGES, CREATE, CREATE_BY_USER, LIST, LIST_BY_USER, ON_ONE_TASK
from tests.conftest import make_app

pytestmark = pytest.mark.one_engine

DOCUMENTS = ["/openapi.json", *(f"/docs/assets/{name}" for name in FOLDERS)]
EVERY_DOCUMENT = pytest.mark.parametrize("path", DOCUMENTS)
TAG = re.compile(r'"[0-9a-f]{20}(-gzip)?"')
PACKED = {"Accept-Encoding": "gzip, deflate, br, zstd"}


@EVERY_DOCUMENT
def test_a_document_is_compressed_for_who_can_read_that(anonymous, path):
    """The same bytes, fewer of them, under a tag of their own; caches are told what they depend on."""
    plain, packed = anonymous.get(path), anonymous.get(path, headers=PACKED)

    assert (plain.status_code, packed.status_code) == (200, 200)
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data)
    assert (plain.headers.get("Content-Encoding"), packed.headers["Content-Encoding"]) == (None, "gzip")
    assert packed.headers["Content-Type"] == plain.headers["Content-Type"]
    tags = plain.headers["ETag"], packed.headers["ETag"]
    assert (len(set(tags)), all(map(TAG.fullmatch, tags))) == (2, True)
    assert plain.headers.getlist("Vary") == packed.headers.getlist("Vary") == ["Accept-Encoding"]


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("gzip", "gzip"), ("GZIP", "gzip"), ("br;q=1, gzip;q=0.1", "gzip"), ("*", "gzip"), ("identity", None),
     ("gzip;q=0", None), ("gzip;q=0, *", None), ("br", None), ("", None), ("gzip;q=nonsense, ;;", None)],
)  # fmt: skip
def test_nobody_gets_what_was_not_accepted(anonymous, accepted, coding):
    """RFC 9110, section 12.5.3."""
    answer = anonymous.get("/openapi.json", headers={"Accept-Encoding": accepted})

    assert (answer.status_code, answer.headers.get("Content-Encoding")) == (200, coding)


@EVERY_DOCUMENT
@pytest.mark.parametrize("accepted", [{}, PACKED], ids=["plain", "packed"])
def test_a_document_that_is_known_is_not_sent_again(anonymous, path, accepted):
    """Weak tags, which proxies make of strong ones, are known too (RFC 9110, section 13.1.2)."""
    tag = anonymous.get(path, headers=accepted).headers["ETag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = anonymous.get(path, headers={**accepted, "If-None-Match": known})

        assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", tag)
        assert answer.headers.getlist("Vary") == ["Accept-Encoding"]
        assert {"Content-Type", "Content-Length", "Content-Encoding"}.isdisjoint(answer.headers.keys())
    changed = anonymous.get(path, headers={**accepted, "If-None-Match": '"other"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, tag)


@EVERY_DOCUMENT
@pytest.mark.parametrize("accepted", [{}, PACKED], ids=["plain", "packed"])
def test_head_says_what_get_would(anonymous, path, accepted):
    """All headers, and no byte."""
    got, asked = (anonymous.call(method, path, headers=accepted) for method in ("GET", "HEAD"))

    assert (asked.status_code, asked.data) == (200, b"")
    ids = {"X-Request-ID"}
    assert {*asked.headers} - {(name, asked.headers[name]) for name in ids} == {
        (name, value) for name, value in got.headers if name not in ids
    }


def test_other_documents_have_other_tags():
    """Such as the description of a service without accounts."""
    tags = {make_app("sqlite:////nowhere/tasks.db", LOCAL_AUTH=word).test_client().get("/openapi.json").headers["ETag"]
            for word in ("on", "off", "on")}  # fmt: skip

    assert len(tags) == 2


def test_nothing_that_users_write_is_compressed(ann):
    """Its length would tell what it holds to who can add to it (BREACH)."""
    ann.headers |= PACKED
    task = ann.add(details="a" * 5_000)
    calls = (CREATE, LIST, CREATE_BY_USER, LIST_BY_USER, BATCH, CHANGES, *ON_ONE_TASK)
    answers = [call(ann, task["id"]) for call in calls]
    answers += [
        ann.get(path, buffered=True)
        for path in ("/v1/tasks/export", "/v1/auth/me", "/v1/auth/sessions", "/docs", "/nowhere")
    ]
    account = {"email": f"{uuid4()}@example.com", "password": "correct horse battery"}
    answers.append(ann.post("/v1/auth/register", json=account))

    assert {answer.status_code for answer in answers} <= {200, 201, 204, 404}
    assert [answer.request.path for answer in answers if "Content-Encoding" in answer.headers] == []
