"""JSON as other programs write it. The samples are ours, in each program's manner."""

import json
from typing import Any
from uuid import UUID, uuid5

from tests.unit.example_tasks import Task

GOOGLE = """{
  "kind": "tasks#taskLists",
  "items": [{
    "kind": "tasks#tasks",
    "id": "MDAwMQ",
    "title": "My Tasks",
    "updated": "2026-03-02T08:00:00.000Z",
    "selfLink": "https://www.googleapis.com/tasks/v1/users/@me/lists/MDAwMQ",
    "items": [{
      "kind": "tasks#task",
      "id": "dGFzazE",
      "title": "Water the ferns",
      "task_type": "UNASSIGNED_TASK",
      "notes": "From below",
      "updated": "2026-03-02T08:00:00.000Z",
      "created": "2026-03-01T08:00:00.000Z",
      "due": "2026-03-14T00:00:00Z",
      "status": "needsAction",
      "links": []
    }, {
      "kind": "tasks#task",
      "id": "dGFzazI",
      "parent": "dGFzazE",
      "title": "Buy compost",
      "updated": "2026-03-02T08:00:00.000Z",
      "completed": "2026-03-02T07:30:00.000Z",
      "status": "completed"
    }]
  }, {
    "kind": "tasks#tasks",
    "title": "Garden",
    "items": [{"id": "dGFzazM", "title": "", "status": "needsAction", "due": "2026-03-14T09:00:00Z"},
              {"id": "dGFzazQ", "title": "Gone", "status": "needsAction", "deleted": true}]
  }, {
    "kind": "tasks#tasks",
    "title": "Empty"
  }]
}"""
GOOGLE_TASKS: list[tuple[Task, list[str]]] = [
    (
        {"title": "Water the ferns", "details": "From below", "completed": False, "due_on": "2026-03-14",
         "created_at": "2026-03-01T08:00:00.000000Z"},
        [],
    ),
    (
        {"title": "Buy compost", "completed": True, "completed_at": "2026-03-02T07:30:00.000000Z",
         "parent_id": "e0a984a5-f31e-5567-a948-d076b8f5f6a3"},
        [],
    ),
    (
        {"title": "(untitled)", "completed": False, "list_name": "Garden", "due_at": "2026-03-14T09:00:00.000000Z"},
        ["deleted task"],
    ),
]  # fmt: skip

# On one line, as Trello writes it; what is archived, and what stands in an archived list, is done with.
TRELLO_CARD: dict[str, Any] = {
    "id": "69a3f0800000000000000001", "address": None, "badges": {"comments": 0, "checkItems": 0}, "closed": False,
    "dueComplete": False, "dateLastActivity": "2026-03-02T08:00:00.000Z", "desc": "", "due": None, "idList": "l1",
    "idChecklists": [], "idMembers": [], "labels": [], "name": "Buy compost", "pos": 16384, "start": None,
    "attachments": [], "customFieldItems": [], "url": "https://trello.com/c/x",
}  # fmt: skip
TRELLO = json.dumps(
    {
        "id": "b1", "name": "Garden", "desc": "", "closed": False, "labelNames": {"green": ""}, "limits": {},
        "actions": [{"type": "commentCard", "data": {"text": "twice"}}],
        "cards": [
            {**TRELLO_CARD, "name": "Water the ferns", "desc": "From below", "due": "2026-03-14T09:00:00.000Z",
             "badges": {"comments": 1}, "idMembers": ["m1"], "start": "2026-03-13T09:00:00.000Z",
             "labels": [{"name": "Weekly", "color": "green"}, {"name": "", "color": "red"}],
             "attachments": [{"name": "fern", "url": "https://example.com/fern.jpg"}]},
            {**TRELLO_CARD, "id": "69a3f0800000000000000002", "idList": "l2", "dueComplete": True},
            {**TRELLO_CARD, "id": "69a3f0800000000000000003", "closed": True},
            {**TRELLO_CARD, "id": "69a3f0800000000000000004", "idList": "l3"},
        ],
        "labels": [], "lists": [{"id": "l1", "name": "Doing", "closed": False},
                                {"id": "l2", "name": "Inbox", "closed": False},
                                {"id": "l3", "name": "Old", "closed": True}],
        "members": [], "customFields": [],
        "checklists": [
            {"id": "k1", "idCard": "69a3f0800000000000000001", "name": "Rooms", "checkItems": [
                {"id": "i1", "name": "Kitchen", "state": "complete"},
                {"id": "i2", "name": "Bath", "state": "incomplete"}]},
            {"id": "k2", "idCard": "69a3f0800000000000000001", "name": "Empty", "checkItems": []},
            {"id": "k3", "idCard": "69a3f0800000000000000003", "name": "Checklist", "checkItems": [
                {"id": "i3", "name": "Peat-free", "state": "incomplete"}]}],
    },
    separators=(",", ":"),
)  # fmt: skip
TRELLO_OTHER: Task = {"title": "Buy compost", "completed": True, "completed_at": "2026-03-02T08:00:00.000000Z",
                      "created_at": "2026-03-01T07:53:36.000000Z"}  # fmt: skip
TRELLO_TASKS: list[tuple[Task, list[str]]] = [
    (
        {"title": "Water the ferns", "completed": False, "tags": ["Weekly", "red"], "list_name": "Doing",
         "details": "From below\n\nhttps://example.com/fern.jpg",
         "due_at": "2026-03-14T09:00:00.000000Z", "created_at": "2026-03-01T07:53:36.000000Z"},
        ["comments", "start", "idMembers"],
    ),
    ({"title": "Kitchen", "completed": True, "tags": ["Rooms"], "list_name": "Doing"}, []),
    ({"title": "Bath", "completed": False, "tags": ["Rooms"], "list_name": "Doing"}, []),
    (TRELLO_OTHER, []),
    (TRELLO_OTHER | {"list_name": "Doing"}, []),
    (
        {"title": "Peat-free", "completed": True, "completed_at": "2026-03-02T08:00:00.000000Z",
         "list_name": "Doing"},
        [],
    ),
    (TRELLO_OTHER | {"list_name": "Old"}, []),
]  # fmt: skip

WUNDERLIST_OLD = json.dumps(
    {
        "user": 1, "exported": "2017-03-02T08:00:00.000Z",
        "data": {
            "lists": [{"id": 7, "title": "inbox", "list_type": "inbox"}, {"id": 8, "title": "Garden"}],
            "tasks": [
                {"id": 21, "created_at": "2017-03-01T08:00:00.000Z", "due_date": "2017-03-14",
                 "recurrence_type": "week", "recurrence_count": 2, "completed": False, "starred": True, "list_id": 8,
                 "title": "Water the ferns"},
                {"id": 22, "created_at": "2017-03-01T08:00:00.000Z", "completed": True, "starred": False, "list_id": 7,
                 "completed_at": "2017-03-02T07:30:00.000Z", "title": "Buy compost"},
            ],
            "subtasks": [{"id": 31, "task_id": 21, "title": "Kitchen", "completed": True},
                         {"id": 32, "task_id": 21, "title": "Bath", "completed": False}],
            "notes": [{"id": 41, "task_id": 21, "content": "From below"}],
            "reminders": [{"id": 51, "task_id": 21, "date": "2017-03-14T08:00:00.000Z"}],
            "task_positions": [], "subtask_positions": [],
        },
    }
)  # fmt: skip
WUNDERLIST_NEW = json.dumps(
    [
        {"id": 8, "title": "Garden", "createdAt": "2017-03-01T08:00:00.000Z", "tasks": [
            {"id": 21, "title": "Water the ferns", "completed": False, "starred": True, "dueDate": "2017-03-14",
             "recurrenceType": "week", "recurrenceCount": 2, "createdAt": "2017-03-01T08:00:00.000Z",
             "subtasks": [{"id": 31, "title": "Kitchen", "completed": True},
                          {"id": 32, "title": "Bath", "completed": False}],
             "notes": [{"content": "From below"}], "comments": [], "files": [],
             "reminders": [{"remindAt": "2017-03-14T08:00:00.000Z"}]}]},
        {"id": 7, "title": "inbox", "tasks": [
            {"id": 22, "title": "Buy compost", "completed": True, "completedAt": "2017-03-02T07:30:00.000Z",
             "createdAt": "2017-03-01T08:00:00.000Z", "starred": False}]},
    ]
)  # fmt: skip
WUNDERLIST_TASKS: list[tuple[Task, list[str]]] = [
    (
        {"title": "Water the ferns", "completed": False, "priority": "high", "list_name": "Garden",
         "details": "From below", "due_on": "2017-03-14",
         "recurrence": "FREQ=WEEKLY;INTERVAL=2", "created_at": "2017-03-01T08:00:00.000000Z",
         "reminders": [{"at": "2017-03-14T08:00:00.000000Z"}]},
        [],
    ),
    ({"title": "Kitchen", "completed": True, "list_name": "Garden"}, []),
    ({"title": "Bath", "completed": False, "list_name": "Garden"}, []),
    (
        {"title": "Buy compost", "completed": True, "completed_at": "2017-03-02T07:30:00.000000Z", "priority": "none",
         "created_at": "2017-03-01T08:00:00.000000Z"},
        [],
    ),
]  # fmt: skip

TASKWARRIOR_OBJECTS: list[dict[str, Any]] = [
    {"id": 1, "description": "Water the ferns", "due": "20260314T090000Z", "entry": "20260301T080000Z",
     "modified": "20260302T080000Z", "priority": "H", "project": "Home.Garden", "status": "pending",
     "tags": ["green", "weekly"], "uuid": "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17",
     "annotations": [{"entry": "20260302T080000Z", "description": "From below"},
                     {"entry": "20260303T080000Z", "description": "Twice"}], "urgency": 14.2},
    {"id": 0, "description": "Gone", "entry": "20260301T080000Z", "status": "deleted",
     "uuid": "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b18"},
    {"id": 0, "description": "Buy compost", "end": "20260302T073000Z", "entry": "20260301T080000Z",
     "status": "completed", "uuid": "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b19", "priority": "L",
     "depends": ["0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17"]},
    {"id": 2, "description": "Pay", "due": "20260401T000000Z", "mask": "-", "recur": "monthly", "status": "recurring",
     "uuid": "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b20"},
]  # fmt: skip
TASKWARRIOR_LINES = [json.dumps(task) for task in TASKWARRIOR_OBJECTS]
TASKWARRIOR = "[\n" + ",\n".join(TASKWARRIOR_LINES) + "\n]\n"
TASKWARRIOR_TASKS: list[tuple[Task, list[str]]] = [
    (
        {"id": "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17", "title": "Water the ferns", "completed": False,
         "details": "2026-03-02 From below\n\n2026-03-03 Twice", "priority": "high",
         "tags": ["green", "weekly"], "list_name": "Home.Garden", "due_at": "2026-03-14T09:00:00.000000Z",
         "created_at": "2026-03-01T08:00:00.000000Z"},
        [],
    ),
    (
        {"id": "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b19", "title": "Buy compost", "completed": True, "priority": "low",
         "completed_at": "2026-03-02T07:30:00.000000Z", "created_at": "2026-03-01T08:00:00.000000Z"},
        ["depends", "deleted task", "template of recurring tasks"],
    ),
]  # fmt: skip

REMEMBER_THE_MILK = json.dumps(
    {
        "config": {"timezone": "Europe/Berlin", "dateformat": "0"},
        "lists": [{"id": "1", "name": "Inbox"}, {"id": "2", "name": "Garden"}], "smart_lists": [], "locations": [],
        "tags": [{"id": "green"}], "reminders": [],
        "tasks": [
            {"id": "31", "series_id": "21", "list_id": "2", "name": "Water the ferns", "priority": "P1",
             "date_created": 1772352000000, "date_due": 1773442800000, "date_due_has_time": False, "tags": ["green"],
             "repeat": "FREQ=WEEKLY;INTERVAL=1;WKST=MO", "repeat_every": True, "url": "https://example.com/ferns"},
            {"id": "32", "series_id": "22", "list_id": "1", "name": "Buy compost", "priority": "PN", "parent_id": "31",
             "date_created": 1772352000000, "date_due": 1773478800000, "date_due_has_time": True, "tags": [],
             "date_completed": 1772436600000},
            {"id": "33", "series_id": "23", "list_id": "1", "name": "Gone", "priority": "P3",
             "date_trashed": 1772436600000},
        ],
        "notes": [{"id": "41", "series_id": "21", "title": "", "content": "From below"}],
    }
)  # fmt: skip
REMEMBER_THE_MILK_TASKS: list[tuple[Task, list[str]]] = [
    (
        {"title": "Water the ferns", "details": "From below\n\nhttps://example.com/ferns", "completed": False,
         "priority": "high", "tags": ["green"], "list_name": "Garden", "due_on": "2026-03-14",
         "time_zone": "Europe/Berlin",
         "recurrence": "FREQ=WEEKLY;INTERVAL=1;WKST=MO", "created_at": "2026-03-01T08:00:00.000000Z"},
        [],
    ),
    (
        {"title": "Buy compost", "completed": True, "completed_at": "2026-03-02T07:30:00.000000Z", "priority": "none",
         "due_at": "2026-03-14T09:00:00.000000Z", "time_zone": "Europe/Berlin",
         "parent_id": str(uuid5(UUID("0d5a9c1e-6f0b-5e4c-8b1d-3a7e2f6c9d40"), "remember the milk 31")),
         "created_at": "2026-03-01T08:00:00.000000Z"},
        ["deleted task"],
    ),
]  # fmt: skip

SAMPLES: dict[str, tuple[str, list[tuple[Task, list[str]]]]] = {
    "Google Tasks": (GOOGLE, GOOGLE_TASKS),
    "Trello": (TRELLO, TRELLO_TASKS),
    "Wunderlist": (WUNDERLIST_OLD, WUNDERLIST_TASKS),
    "Wunderlist, later": (WUNDERLIST_NEW, WUNDERLIST_TASKS),
    "Taskwarrior": (TASKWARRIOR, TASKWARRIOR_TASKS),
    "Taskwarrior, by line": ("\n".join(TASKWARRIOR_LINES), TASKWARRIOR_TASKS),
    "Remember The Milk": (REMEMBER_THE_MILK, REMEMBER_THE_MILK_TASKS),
}
