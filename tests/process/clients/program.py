"""A program with the client of openapi-python-client. All programs here print the same."""

import json
import sys
from datetime import date
from io import BytesIO

from tasks_api_client import AuthenticatedClient, Client
from tasks_api_client.api.accounts import register
from tasks_api_client.api.caller import get_me
from tasks_api_client.api.tasks import (
    change_task,
    create_task,
    delete_task,
    export_tasks,
    get_task,
    import_tasks,
    list_tasks,
    run_batch,
)
from tasks_api_client.models import (
    BatchRequest,
    CompleteOperation,
    CompleteOperationOp,
    CreateOperation,
    CreateOperationOp,
    ExportTasksFormat,
    ImportTasksBody,
    NewTask,
    Priority,
    Problem401,
    Problem401Code,
    Problem404,
    Problem422,
    Registration,
    TaskPatch,
    UpdateOperation,
    UpdateOperationOp,
)
from tasks_api_client.types import File

URL = sys.argv[1]

registration = register.sync(
    client=Client(URL), body=Registration(email="python@example.com", password="correct horse battery")
)
client = AuthenticatedClient(URL, token=registration.access_token)

tea = NewTask(title="Buy tea", priority=Priority.HIGH, tags=["home", "errands"], due_on=date(2026, 3, 14))
created = create_task.sync_detailed(client=client, body=tea)
task = created.parsed
listed = list_tasks.sync(
    client=client, completed=False, priority=[Priority.HIGH, Priority.LOW], tag=["home", "errands"]
)
changes = TaskPatch.from_dict(task.to_dict())
changes.priority, changes.due_on = Priority.LOW, None
changed = change_task.sync(task.id, client=client, body=changes, if_match=created.headers["ETag"])
operations = [
    CreateOperation(CreateOperationOp.CREATE, task=NewTask(title="Drink tea")),
    UpdateOperation(UpdateOperationOp.UPDATE, id=task.id, changes=TaskPatch(details="Green")),
    CompleteOperation(CompleteOperationOp.COMPLETE, id=task.id),
]
batch = run_batch.sync(client=client, body=BatchRequest(operations))
text = export_tasks.sync(client=client, format_=ExportTasksFormat.CSV)
file = File(BytesIO(text.encode()), "tasks.csv", "text/csv")
imported = import_tasks.sync(client=client, body=ImportTasksBody(file))
deleted = delete_task.sync_detailed(task.id, client=client)
absent = get_task.sync(task.id, client=client)
refused = create_task.sync(client=client, body=NewTask(title=""))
anonymous = get_me.sync(client=AuthenticatedClient(URL, token="nonsense"))

assert isinstance(absent, Problem404)
assert isinstance(refused, Problem422)
assert isinstance(anonymous, Problem401)
print(  # noqa: T201
    json.dumps(
        {
            "listed": [each.title for each in listed.items],
            "changed": [changed.priority, changed.due_on],
            "results": len(batch.results),
            "imported": [imported.found, imported.kept],
            "deleted": deleted.status_code,
            "absent": absent.code,
            "refused": [*refused.errors.additional_properties],
            "anonymous": anonymous.code is Problem401Code.TOKEN_MALFORMED,
        }
    )
)
