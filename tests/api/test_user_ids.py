"""User ids in paths: any legal one works, and matches only the same bytes."""

from urllib.parse import quote

import pytest

from tests.api.support.calls import CREATE_BY_USER, LIST_BY_USER, assert_problem, raw
from tests.conftest import Caller, new_user_id


@pytest.mark.parametrize(
    "odd",
    [
        " ",
        "@b.c",
        "Ünï-名前-🍵",
        "e\u0301",
        "%",
        "%2e%41",
        "+",
        "?x=1#y",
        ";a=b&c",
        "\\",
        "\"<>'",
        ":",
        "\ufffd",
        "\u202e",
        "~..",
        "x" * 200,
    ],
    ids=ascii,
)
def test_an_unusual_user_id_works_everywhere(app, odd):
    """An id that is legal in a token is legal in the path. Location and Link work as returned."""
    ann = Caller(app, f"{new_user_id()}{odd}.")
    made = [CREATE_BY_USER(ann) for _ in range(2)]
    first = LIST_BY_USER(ann, query_string={"limit": 1})
    second = ann.get(first.headers["Link"].partition(">")[0].lstrip("<"))

    assert [answer.status_code for answer in (*made, first, second)] == [201, 201, 200, 200]
    assert [*second.json, *first.json] == [answer.json for answer in made]
    assert ann.get(made[0].headers["Location"]).json == made[0].json
    assert made[0].headers["Location"].isascii()
    assert made[0].json["user_id"] == ann.user_id


def test_percent_encoding_is_decoded_once(app):
    """Encoded letters are the same letters; an encoded percent sign is a percent sign."""
    user_id = new_user_id()
    plain, percent = Caller(app, f"a{user_id}"), Caller(app, f"%61{user_id}")

    assert plain.get(**raw_list(f"%61{user_id}")).status_code == 200
    assert percent.get(**raw_list(f"%2561{user_id}")).status_code == 200
    assert_problem(percent.get(**raw_list(f"%61{user_id}")), 403, "user_id_mismatch")
    assert_problem(plain.get(**raw_list(f"%2561{user_id}")), 403, "user_id_mismatch")


@pytest.mark.parametrize(
    ("theirs", "in_path"),
    [
        ("\ufffd", "%FF"),
        ("\ufffd", "%C3"),
        ("\ufffd\ufffd", "%EF%BF%BD%FF"),
        ("\ufffd", "%ED%A0%80"),
        ("/", "%C0%AF"),
        ("é", "%E9"),
        ("é", "e%CC%81"),
        ("a", "A"),
        ("a", "a%20"),
        ("a", "%20a"),
        ("a", "a%00"),
        ("a b", "a+b"),
        ("ß", "ss"),
        ("", "%E2%80%8B"),
    ],
    ids=ascii,
)
def test_a_user_id_matches_only_the_same_bytes(app, theirs, in_path):
    """Without normalisation, trimming or case folding. Bytes that are not UTF-8 match no user."""
    user_id = new_user_id()
    ann = Caller(app, f"{user_id}{theirs}")

    assert_problem(ann.get(**raw_list(f"{user_id}{in_path}")), 403, "user_id_mismatch")


def test_a_replacement_character_matches_itself(app):
    """U+FFFD in its own three bytes is an ordinary character."""
    user_id = new_user_id()
    answer = Caller(app, f"{user_id}\ufffd").get(**raw_list(f"{user_id}%EF%BF%BD"))

    assert (answer.status_code, answer.json) == (200, [])


def test_a_user_id_with_a_slash_uses_the_other_family(app):
    """In this family such a path does not exist."""
    ann = Caller(app, f"{new_user_id()}/a")

    assert_problem(LIST_BY_USER(ann), 404, "not_found")
    assert_problem(ann.get(f"/api/{quote(ann.user_id)}/tasks"), 404, "not_found")
    assert ann.add()["user_id"] == ann.user_id


def raw_list(encoded_user_id):
    path = f"/api/{encoded_user_id}/tasks"
    return {"path": path, **raw(path)}
