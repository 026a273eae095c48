"""If-Match and If-None-Match: known versions are not sent again, and no update is lost (RFC 9110, section 13)."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.support.calls import (
    COMPLETE,
    CREATE,
    CREATE_BY_USER,
    EMPTY_PATCH,
    ON_ONE_TASK,
    ON_ONE_TASK_BY_USER,
    REPLACE,
    Call,
    assert_problem,
    problem_of,
)
from tests.conftest import Caller
from tests.statements import messages

READS = [call for call in (*ON_ONE_TASK, *ON_ONE_TASK_BY_USER) if call.method == "GET"]
READS += [Call("HEAD", call.path) for call in READS]
WRITES = [call for call in (*ON_ONE_TASK, *ON_ONE_TASK_BY_USER) if call.method != "GET"]
EVERY_READ = pytest.mark.parametrize("read", READS, ids=str)
FAILED = (412, "precondition_failed")
EVERY_WRITE = pytest.mark.parametrize("write", WRITES, ids=str)

# Headers about a task in version 2 after a version 1. {tag} is the tag of version 2.
STRONG = [
    "{tag}",
    "*",
    " {tag} ",
    "{tag},{tag}",
    '"x", {tag}',
    '{tag} , "1"',
    '"a,b",{tag}',
    'W/"2", {tag}',
    ',{tag},"x"',
]
WEAK = ["W/{tag}", 'W/"x", W/{tag}', '"x", W/{tag}']
OTHERS = [
    '"1"',
    '"3"',
    '"x"',
    '""',
    'W/"1"',
    '"1", "3", "x"',
    '"*"',
    '"20"',
    '"22"',
    '"-2"',
    '"2.0"',
    '"é"',
    '"99999999999"',
]
NEARLY = [
    '"02"',
    '"0000000002"',
    '"+2"',
    '"2 "',
    '" 2"',
    '"٢"',
    '"２"',
    "2",
    "W/2",
    "'2'",
    '"2',
    '2"',
    '"2"x',
    "W/*",
    "",
    ",",
]


def second_version(ann):
    """Create and change a task, and return the second response."""
    answer = ann.patch(f"/v1/tasks/{ann.add(details='green')['id']}", json={"title": "tea, changed"})
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    return answer


@pytest.fixture
def task(ann):
    """A task in its second version, as GET returns it."""
    answer = ann.get(f"/v1/tasks/{second_version(ann).json['id']}")
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    return answer


def some_for(call, values):
    """Return all values for a read and a write, and the first and the last for others: one function reads them."""
    return values if call in (READS[0], REPLACE) else [values[0], values[-1]]


def on(task, header, value):
    """Return options with a condition about the task; each value of a list is a header line."""
    values = [each.format(tag=task.headers["ETag"]) for each in ([value] if isinstance(value, str) else value)]
    return {"headers": {header: [each.encode().decode("latin-1") for each in values]}}


def success(write):
    return 204 if write.method == "DELETE" else 200


def assert_unchanged(ann, task):
    """Check that neither the task nor its version has changed."""
    now = ann.get(f"/v1/tasks/{task.json['id']}")
    assert (now.status_code, now.json, now.headers["ETag"]) == (200, task.json, task.headers["ETag"])


@EVERY_READ
def test_a_reader_with_this_version_gets_304(ann, task, read):
    """Without a body, with the tag. Comparison is weak (section 13.1.2)."""
    values = some_for(read, [*STRONG, *WEAK, ["{tag}"], ['"x"', "W/{tag}"]])
    answers = {str(value): read(ann, task.json["id"], **on(task, "If-None-Match", value)) for value in values}

    assert {value: (answer.status_code, answer.data) for value, answer in answers.items()} == dict.fromkeys(
        answers, (304, b"")
    )
    for answer in answers.values():
        assert answer.headers["ETag"] == task.headers["ETag"]
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert not {"Content-Type", "Content-Length"} & set(answer.headers.keys())


@EVERY_READ
def test_a_reader_with_another_version_gets_the_task(ann, task, read):
    """So does one with another version's tag, or with an invalid tag."""
    answers = {
        value: read(ann, task.json["id"], **on(task, "If-None-Match", value))
        for value in some_for(read, OTHERS + NEARLY)
    }

    assert {value: answer.status_code for value, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert {answer.headers["ETag"] for answer in answers.values()} == {task.headers["ETag"]}


@EVERY_WRITE
def test_a_write_to_the_required_version_succeeds(ann, write):
    """One tag of a list is enough, also over several lines. `*` is any version."""
    values = some_for(write, [*STRONG, ['"x"', "{tag}"]])
    tasks = [second_version(ann) for _ in values]
    answers = [
        write(ann, task.json["id"], **on(task, "If-Match", value)) for task, value in zip(tasks, values, strict=True)
    ]

    assert [answer.status_code for answer in answers] == [success(write)] * len(values)


@pytest.mark.parametrize("write", [write for write in WRITES if write is not EMPTY_PATCH], ids=str)
def test_a_list_of_tags_may_be_long(app, ann, task, write):
    """Thousands of tags on many lines are one value of one statement, and the last one still matches."""
    again_and_again, all_others = ", ".join(['"1"'] * 1_000), ", ".join(f'"{n}"' for n in range(3, 1_000))
    lines = [*[again_and_again] * 5, all_others] * (10 if write is REPLACE else 1)

    with messages(app) as sent:
        refused = write(ann, task.json["id"], **on(task, "If-Match", lines))
        found = write(ann, task.json["id"], **on(task, "If-Match", [*lines, "{tag}"]))

    assert (refused.status_code, found.status_code // 100) == (412, 2)
    statements = [statement for statement in sent if "tasks" in statement]
    # The rejected one also reads the task to find the reason.
    assert len(statements) == 2 + 1
    # The statement's text does not contain the list.
    assert max(map(len, statements)) < len(again_and_again)


@EVERY_WRITE
def test_a_write_to_another_version_is_rejected(ann, task, write):
    """412, and nothing is written. Comparison is strong (section 13.1.1), and an invalid tag matches nothing."""
    values = some_for(write, [*WEAK, *OTHERS, *NEARLY])
    answers = {value: write(ann, task.json["id"], **on(task, "If-Match", value)) for value in values}

    assert {value: answer.status_code for value, answer in answers.items()} == dict.fromkeys(values, 412)
    assert_problem(answers["W/{tag}"], 412, "precondition_failed")
    assert_unchanged(ann, task)


@EVERY_WRITE
def test_a_write_to_an_excluded_version_is_rejected(ann, task, write):
    """412 for If-None-Match, and nothing is written. Comparison is weak here."""
    values = ["{tag}", "W/{tag}", "*", '"x", W/{tag}', ["{tag}", '"x"']]
    answers = {str(value): write(ann, task.json["id"], **on(task, "If-None-Match", value)) for value in values}

    assert {value: problem_of(answer) for value, answer in answers.items()} == dict.fromkeys(answers, FAILED)
    assert_unchanged(ann, task)


@EVERY_WRITE
def test_a_write_to_a_version_that_is_not_excluded_succeeds(ann, write):
    """With If-None-Match of other versions."""
    for value in some_for(write, ['"1"', 'W/"1"', '"1", "3"', '"x"', '"*"']):
        task = second_version(ann)
        assert write(ann, task.json["id"], **on(task, "If-None-Match", value)).status_code == success(write), value


@EVERY_WRITE
def test_both_conditions_must_hold(ann, task, write):
    """A version that is both required and excluded is rejected, and so is one that is neither."""
    both = [('"2"', '"2"'), ("*", "*"), ("*", 'W/"2"'), ('"1"', '"1"'), ('"1"', '"9"')]
    answers = {
        (wanted, unwanted): write(ann, task.json["id"], headers={"If-Match": wanted, "If-None-Match": unwanted})
        for wanted, unwanted in both
    }

    assert {values: problem_of(answer) for values, answer in answers.items()} == dict.fromkeys(both, FAILED)
    assert_unchanged(ann, task)


@pytest.mark.parametrize("call", [*READS, *WRITES], ids=str)
def test_an_absent_task_is_404_under_every_condition(ann, call):
    """Whether or not it ever existed."""
    gone = ann.add()["id"]
    assert ann.delete(f"/v1/tasks/{gone}").status_code == 204

    values = ['"1"', "*", 'W/"1"', '"x"', "", "1"] if call in (READS[0], REPLACE) else ['"1"', "*", ""]
    conditions = [{header: value} for header in ("If-Match", "If-None-Match") for value in values]
    answers = [call(ann, task_id, headers=condition) for task_id in (gone, None) for condition in conditions]
    assert [answer.status_code for answer in answers] == [404] * len(answers)
    assert call.method == "HEAD" or {answer.json["code"] for answer in answers} == {"not_found"}


@pytest.mark.parametrize("write", [CREATE, CREATE_BY_USER, *WRITES], ids=str)
def test_the_etag_of_a_response_is_that_of_the_next_read(ann, task, write):
    """In both families, so a client can keep changing a task without reading it."""
    answer = write(ann, task.json["id"])
    task_id = task.json["id"] if answer.status_code != 201 else answer.json["id"]
    reads = [read(ann, task_id) for read in READS]

    if write.method == "DELETE":
        assert (answer.status_code, [read.status_code for read in reads]) == (204, [404] * len(reads))
    else:
        assert {read.headers["ETag"] for read in reads} == {answer.headers["ETag"]}
        assert (answer.headers["ETag"] == task.headers["ETag"]) is (write is EMPTY_PATCH)


def test_each_write_returns_the_tag_for_the_next_one(ann, task):
    """For every operation. An old tag never works."""
    tag, writes = task.headers["ETag"], [write for write in WRITES if write.method != "DELETE"]
    seen = {tag}
    for write in writes:
        answer = write(ann, task.json["id"], headers={"If-Match": tag})
        assert answer.status_code == 200, write
        tag = answer.headers["ETag"]
        seen.add(tag)

    assert len(seen) == len(writes)
    for old in seen - {tag}:
        assert_problem(REPLACE(ann, task.json["id"], headers={"If-Match": old}), 412, "precondition_failed")


@pytest.mark.parametrize("write", [write for write in WRITES if write is not EMPTY_PATCH], ids=str)
def test_check_and_write_are_one_statement(app, ann, task, write):
    """Nothing can happen between them. Only a rejection needs a second statement, to find the reason."""
    counts = []
    for condition in ({"If-Match": '"1"'}, {"If-Match": '"2"', "If-None-Match": '"1"'}):
        with messages(app) as sent:
            answer = write(ann, task.json["id"], headers=condition)
        on_tasks = [statement for statement in sent if "tasks" in statement]
        counts.append((answer.status_code == 412, len(on_tasks)))

    assert counts == [(True, 2), (False, 1)]


@pytest.mark.parametrize("write", [REPLACE, COMPLETE, *(w for w in WRITES if w.body is None)], ids=str)
def test_one_of_many_writes_under_the_same_tag_succeeds(app, ann, task, write):
    """Of thirty at once, the others get 412."""
    callers = [Caller(app, ann.user_id) for _ in range(30)]
    with ThreadPoolExecutor(len(callers)) as pool:
        answers = list(
            pool.map(lambda caller: write(caller, task.json["id"], **on(task, "If-Match", "{tag}")), callers)
        )

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == ([204] + [404] * 29 if write.method == "DELETE" else [200] + [412] * 29)


def test_the_successful_one_of_many_writes_is_kept(app, ann, task):
    """All readers see what the winner's response said."""
    callers = [Caller(app, ann.user_id) for _ in range(30)]
    bodies = [{"title": f"coffee {number}"} for number in range(30)]
    with ThreadPoolExecutor(len(callers)) as pool:
        answers = list(
            pool.map(
                lambda caller, body: REPLACE(caller, task.json["id"], json=body, **on(task, "If-Match", "{tag}")),
                callers, bodies,
            )
        )  # fmt: skip

    (won,) = [answer for answer in answers if answer.status_code == 200]
    for answer in answers:
        if answer is not won:
            assert_problem(answer, 412, "precondition_failed")
    now = ann.get(f"/v1/tasks/{task.json['id']}")
    assert (now.status_code, now.json, now.headers["ETag"]) == (200, won.json, won.headers["ETag"])
