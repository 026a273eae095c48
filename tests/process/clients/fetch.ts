// A program with the client of openapi-typescript and openapi-fetch. All programs here print the same.
import createClient from "openapi-fetch";
import type { components, paths } from "./openapi-typescript";

declare const process: { argv: string[] };
const api = createClient<paths>({ baseUrl: process.argv[2]! });

async function main(): Promise<void> {
  const credentials = { email: "fetch@example.com", password: "correct horse battery" };
  const registration = await api.POST("/v1/auth/register", { body: credentials });
  const headers = { Authorization: `Bearer ${registration.data!.access_token}` };

  const created = await api.POST("/v1/tasks", {
    headers,
    body: { title: "Buy tea", priority: "high", tags: ["home", "errands"], due_on: "2026-03-14" },
  });
  const path = { task_id: created.data!.id };
  const listed = await api.GET("/v1/tasks", {
    headers,
    params: { query: { completed: false, priority: ["high", "low"], tag: ["home", "errands"] } },
  });
  const changed = await api.PATCH("/v1/tasks/{task_id}", {
    headers,
    params: { path, header: { "If-Match": created.response.headers.get("ETag")! } },
    body: { ...created.data!, priority: "low", due_on: null },
  });
  const operations: components["schemas"]["BatchOperation"][] = [
    { op: "create", task: { title: "Drink tea" } },
    { op: "update", id: path.task_id, changes: { details: "Green" } },
    { op: "complete", id: path.task_id },
  ];
  const batch = await api.POST("/v1/tasks/batch", { headers, body: { operations } });
  const file = await api.GET("/v1/tasks/export", { headers, params: { query: { format: "csv" } }, parseAs: "text" });
  const imported = await api.POST("/v1/tasks/import", {
    headers,
    // A form's file is no string, but the types have no other word for it.
    body: { file: new File([file.data!], "tasks.csv") as unknown as string },
    bodySerializer({ file }) {
      const form = new FormData();
      form.append("file", file);
      return form;
    },
  });
  const deleted = await api.DELETE("/v1/tasks/{task_id}", { headers, params: { path } });
  const absent = await api.GET("/v1/tasks/{task_id}", { headers, params: { path } });
  const refused = await api.POST("/v1/tasks", { headers, body: { title: "" } });
  const anonymous = await api.GET("/v1/auth/me");

  console.log(
    JSON.stringify({
      listed: listed.data!.items.map(({ title }) => title),
      changed: [changed.data!.priority, changed.data!.due_on],
      results: batch.data!.results.length,
      imported: [imported.data!.found, imported.data!.kept],
      deleted: deleted.response.status,
      absent: absent.error?.code satisfies "not_found" | string | undefined,
      refused: Object.keys(refused.error?.errors ?? {}),
      anonymous: anonymous.error?.status === 401 && anonymous.error.code === "token_missing",
    }),
  );
}

main();
