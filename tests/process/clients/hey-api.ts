// A program with the client of @hey-api/openapi-ts. All programs here print the same.
import * as api from "./hey-api/sdk.gen";
import { client } from "./hey-api/client.gen";
import type { BatchOperation, Problem401 } from "./hey-api/types.gen";

declare const process: { argv: string[] };
client.setConfig({ baseUrl: process.argv[2]! });

async function main(): Promise<void> {
  const credentials = { email: "hey-api@example.com", password: "correct horse battery" };
  const registration = await api.register({ body: credentials });
  client.setConfig({ auth: registration.data!.access_token });

  const created = await api.createTask({
    body: { title: "Buy tea", priority: "high", tags: ["home", "errands"], due_on: "2026-03-14" },
  });
  const path = { task_id: created.data!.id };
  const listed = await api.listTasks({
    query: { completed: false, priority: ["high", "low"], tag: ["home", "errands"] },
  });
  const changed = await api.changeTask({
    path,
    headers: { "If-Match": created.response!.headers.get("ETag")! },
    body: { ...created.data!, priority: "low", due_on: null },
  });
  const operations: BatchOperation[] = [
    { op: "create", task: { title: "Drink tea" } },
    { op: "update", id: path.task_id, changes: { details: "Green" } },
    { op: "complete", id: path.task_id },
  ];
  const batch = await api.runBatch({ body: { operations } });
  const text: string = (await api.exportTasks({ query: { format: "csv" } })).data!;
  const imported = await api.importTasks({ body: { file: new File([text], "tasks.csv") } });
  const deleted = await api.deleteTask({ path });
  const absent = await api.getTask({ path });
  const refused = await api.createTask({ body: { title: "" } });
  client.setConfig({ auth: undefined });
  const anonymous = (await api.getMe()).error as Problem401;

  console.log(
    JSON.stringify({
      listed: listed.data!.items.map(({ title }) => title),
      changed: [changed.data!.priority, changed.data!.due_on],
      results: batch.data!.results.length,
      imported: [imported.data!.found, imported.data!.kept],
      deleted: deleted.response!.status,
      absent: absent.error?.code,
      refused: Object.keys(refused.error?.errors ?? {}),
      anonymous: anonymous.status === 401 && anonymous.code === "token_missing",
    }),
  );
}

main();
