// A program with orval's client. All programs here print the same.
import * as api from "./orval/api";

declare const process: { argv: string[] };
const { fetch } = globalThis;
globalThis.fetch = (path, options) => fetch(`${process.argv[2]}${path}`, options);

async function main(): Promise<void> {
  const credentials = { email: "orval@example.com", password: "correct horse battery" };
  const registration = await api.register(credentials);
  if (registration.status !== 201) {
    throw new Error(registration.data.detail);
  }
  const caller = { headers: { Authorization: `Bearer ${registration.data.access_token}` } };

  const created = await api.createTask(
    { title: "Buy tea", priority: "high", tags: ["home", "errands"], due_on: "2026-03-14" },
    caller,
  );
  if (created.status !== 201) {
    throw new Error(created.data.detail);
  }
  const { id } = created.data;
  const listed = await api.listTasks(
    { completed: false, priority: ["high", "low"], tag: ["home", "errands"] },
    caller,
  );
  const changed = await api.changeTask(
    id,
    { ...created.data, priority: "low", due_on: null },
    { headers: { ...caller.headers, "If-Match": created.headers.get("ETag")! } },
  );
  const operations: api.BatchOperation[] = [
    { op: "create", task: { title: "Drink tea" } },
    { op: "update", id, changes: { details: "Green" } },
    { op: "complete", id },
  ];
  const batch = await api.runBatch({ operations }, caller);
  // The client reads each answer as JSON.
  const text = await (await globalThis.fetch(api.getExportTasksUrl({ format: "csv" }), caller)).text();
  const imported = await api.importTasks({ file: new File([text], "tasks.csv") }, undefined, caller);
  const deleted = await api.deleteTask(id, caller);
  const absent = await api.getTask(id, caller);
  const refused = await api.createTask({ title: "" }, caller);
  const anonymous = await api.getMe();
  if (listed.status !== 200 || changed.status !== 200 || batch.status !== 200 || imported.status !== 200) {
    throw new Error(JSON.stringify([listed, changed, batch, imported]));
  }

  console.log(
    JSON.stringify({
      listed: listed.data.items.map(({ title }) => title),
      changed: [changed.data.priority, changed.data.due_on],
      results: batch.data.results.length,
      imported: [imported.data.found, imported.data.kept],
      deleted: deleted.status,
      absent: absent.status === 404 ? absent.data.code : "",
      refused: refused.status === 422 ? Object.keys(refused.data.errors ?? {}) : [],
      anonymous: anonymous.status === 401 && anonymous.data.code === "token_missing",
    }),
  );
}

main();
