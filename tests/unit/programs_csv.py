"""Tables as other programs write them. The samples are ours, in each program's manner."""

from tests.unit.example_tasks import Task

# A byte order mark, a row for the view, sections, notes, a task that is only a heading, words for a date.
TODOIST = """\
\ufeffTYPE,CONTENT,DESCRIPTION,PRIORITY,INDENT,AUTHOR,RESPONSIBLE,DATE,DATE_LANG,TIMEZONE,DURATION,DURATION_UNIT,\
DEADLINE,DEADLINE_LANG
meta,view_style=list,,,,,,,,,,,,
note,For the whole project,,,,Ann (1),,,,,,,,
task,Buy compost @garden @shop,,4,1,Ann (1),,2026-12-05,en,Europe/Berlin,,None,,
task,Peat-free,,3,2,Ann (1),Bob (2),,,,,None,,
,,,,,,,,,,,,,
section,House,,,,,,,,,,,,
task,"Water the ferns, all",From below,1,1,Ann (1),,every monday,en,Europe/Berlin,45,minute,2026-12-31,en
note,The big one twice,,,,Ann (1),,,,,,,,
note,Rain water,,,,Ann (1),,,,,,,,
task,Call ann@example.com,,2,1,Ann (1),,2026-12-06 9:30,en,Europe/Berlin,,None,,
task,* Papers,,4,1,Ann (1),,Oct 9 2026 10:00,en,,,None,2026-12-31,en
"""
TODOIST_TASKS: list[tuple[Task, list[str]]] = [
    (
        {"title": "Buy compost", "priority": "none", "tags": ["garden", "shop"], "due_on": "2026-12-05",
         "time_zone": "Europe/Berlin"},
        ["note of a project"],
    ),
    ({"title": "Peat-free", "priority": "low"}, ["RESPONSIBLE"]),
    (
        {"title": "Water the ferns, all", "priority": "high", "tags": ["House"], "due_on": "2026-12-31",
         "details": "From below\n\nDATE: every monday\n\nThe big one twice\n\nRain water",
         "time_zone": "Europe/Berlin"},
        ["DATE", "DURATION"],
    ),
    (
        {"title": "Call ann@example.com", "priority": "medium", "tags": ["House"],
         "due_at": "2026-12-06T08:30:00.000000Z", "time_zone": "Europe/Berlin"},
        [],
    ),
    (
        {"title": "Papers", "priority": "none", "tags": ["House"], "due_at": "2026-10-09T10:00:00.000000Z",
         "details": "DEADLINE: 2026-12-31"},
        ["DEADLINE"],
    ),
]  # fmt: skip

# Rows before the header, one of them of several lines; a whole day is midnight by the task's own clock.
TICKTICK = """\
\ufeff"Date: 2026-11-01+0000"
"Version: 7.1"
"Status: 
0 Normal
1 Completed
2 Archived"
"Folder Name","List Name","Title","Kind","Tags","Content","Is Check list","Start Date","Due Date","Reminder","Repeat",\
"Priority","Status","Created Time","Completed Time","Order","Timezone","Is All Day","Is Floating","Column Name",\
"Column Order","View Mode","taskId","parentId"
"","Home","Water the ferns","TEXT","garden, green","From below","N","2026-12-06T23:00:00+0000",\
"2026-12-06T23:00:00+0000","P0DT9H0M0S","RRULE:FREQ=WEEKLY;INTERVAL=1;BYDAY=MO","5","0","2026-11-01T08:00:00+0000",\
"","-1","Europe/Berlin","true","false","Doing","1","kanban","1",""
"Life","📥Inbox","Papers","CHECKLIST","","▫Tax\n▪Rent","Y","2026-12-05T09:00:00+0000","2026-12-07T10:00:00+0000","",\
"","1","0","2026-11-01T08:00:00+0000","","-2","Europe/Berlin","false","false","","","list","2","1"
"","Inbox","Buy compost","TEXT","","","N","2026-11-02T17:00:00+0000","","","ERULE:NAME=CUSTOM;BYDATE=20261203","3","2",\
"2026-11-01T08:00:00+0000","2026-11-03T07:15:00+0000","-3","","false","false","","","list","3",""
"""  # noqa: W291
TICKTICK_TASKS: list[tuple[Task, list[str]]] = [
    (
        {"title": "Water the ferns", "details": "From below", "completed": False, "priority": "high",
         "tags": ["garden", "green", "Doing"], "list_name": "Home", "due_on": "2026-12-07",
         "time_zone": "Europe/Berlin", "recurrence": "RRULE:FREQ=WEEKLY;INTERVAL=1;BYDAY=MO",
         "created_at": "2026-11-01T08:00:00.000000Z"},
        ["Reminder"],
    ),
    (
        {"title": "Papers", "details": "▫Tax\n▪Rent", "completed": False, "priority": "low",
         "due_at": "2026-12-07T10:00:00.000000Z", "time_zone": "Europe/Berlin",
         "created_at": "2026-11-01T08:00:00.000000Z"},
        ["parentId", "Folder Name", "Start Date"],
    ),
    (
        {"title": "Buy compost", "completed": True, "completed_at": "2026-11-03T07:15:00.000000Z",
         "priority": "medium", "due_at": "2026-11-02T17:00:00.000000Z", "recurrence": None,
         "created_at": "2026-11-01T08:00:00.000000Z"},
        ["recurrence"],
    ),
]  # fmt: skip

OUTLOOK_HEADER = (
    '"Subject","Start Date","Due Date","Reminder On/Off","Reminder Date","Reminder Time","Date Completed",'
    '"% Complete","Total Work","Actual Work","Billing Information","Categories","Companies","Contacts","Mileage",'
    '"Notes","Priority","Private","Role","Schedule+ Priority","Sensitivity","Status"\n'
)
OUTLOOK = f"""\
{OUTLOOK_HEADER}\
"Renew passport","","10/5/2026","True","10/4/2026","9:30:00 AM","","0%","0","0",,"Admin;Travel plans",,,,\
"Bring\nphotos","High","False",,,"Normal","Not Started"
"Old task","8/30/2026","9/1/2026","False",,,"9/14/2026","100%","0","0",,,,,,,"Normal","False",,,"Normal","Completed"
"Some day",,"next week","False",,,,"0%","0","0",,,,"Bob",,,"Low","False",,,"Normal","Deferred"
"""
OUTLOOK_TASKS: list[tuple[Task, list[str]]] = [
    (
        {"title": "Renew passport", "details": "Bring\nphotos", "completed": False, "priority": "high",
         "tags": ["Admin", "Travel plans"], "due_on": "2026-10-05"},
        ["Reminder"],
    ),
    (
        {"title": "Old task", "completed": True, "completed_at": "2026-09-14T00:00:00.000000Z", "priority": "none",
         "due_on": "2026-09-01"},
        ["Start Date"],
    ),
    (
        {"title": "Some day", "details": "Due Date: next week", "completed": False, "priority": "low"},
        ["Due Date", "Contacts"],
    ),
]  # fmt: skip

ASANA = """\
Task ID,Created At,Completed At,Last Modified,Name,Section/Column,Assignee,Assignee Email,Start Date,Due Date,Tags,\
Notes,Projects,Parent task,Blocked By (Dependencies),Blocking (Dependencies),Priority
1201000000000001,2026-03-01,,2026-03-05,Water the ferns,Doing,Ann,ann@example.com,2026-03-04,2026-04-01,\
"green, weekly","From below,
twice",Garden,,,,High
1201000000000002,2026-03-02,2026-03-06,2026-03-06,Buy compost,Untitled section,,,,,,,Garden,Water the ferns,,,
"""
ASANA_TASKS: list[tuple[Task, list[str]]] = [
    (
        {"id": "b784c16f-0494-5677-86a7-481ccfc792b4", "title": "Water the ferns", "details": "From below,\ntwice",
         "completed": False, "priority": "high", "tags": ["green", "weekly", "Doing"], "list_name": "Garden",
         "due_on": "2026-04-01", "created_at": "2026-03-01T00:00:00.000000Z"},
        ["Assignee", "Start Date"],
    ),
    (
        {"id": "98604b8f-d670-5205-873a-2a08005d9b22", "title": "Buy compost", "completed": True,
         "completed_at": "2026-03-06T00:00:00.000000Z", "priority": "none", "list_name": "Garden",
         "parent_id": "b784c16f-0494-5677-86a7-481ccfc792b4", "created_at": "2026-03-02T00:00:00.000000Z"},
        [],
    ),
]  # fmt: skip

SAMPLES: dict[str, tuple[str, list[tuple[Task, list[str]]]]] = {
    "Todoist": (TODOIST, TODOIST_TASKS),
    "TickTick": (TICKTICK, TICKTICK_TASKS),
    "Microsoft To Do or Outlook": (OUTLOOK, OUTLOOK_TASKS),
    "Asana": (ASANA, ASANA_TASKS),
}
