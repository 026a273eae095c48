// Mistakes that a client's types must not let pass. A marked line that compiles is an error, too.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type Schemas = components["schemas"];
type Operation = Schemas["BatchRequest"]["operations"][number];

const api = createClient<paths>();
const path = { task_id: "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17" };

export const requests: unknown[] = [
  // @ts-expect-error: no title
  { details: null } satisfies Schemas["NewTask"],
  // @ts-expect-error: misspelt
  { title: "Buy tea", priorty: "low" } satisfies Schemas["NewTask"],
  // @ts-expect-error: no such priority
  { title: "Buy tea", priority: "urgent" } satisfies Schemas["NewTask"],
  // @ts-expect-error: one tag is a list, too
  { title: "Buy tea", tags: "home" } satisfies Schemas["NewTask"],
  // @ts-expect-error: a title cannot be taken away
  { title: null } satisfies Schemas["TaskPatch"],
  // @ts-expect-error: a new task has no past
  { title: "Buy tea", created_at: "2026-03-14T09:26:53.589793Z" } satisfies Schemas["NewTask"],
  // @ts-expect-error: the other family's word
  { title: "Buy tea", description: "Green" } satisfies Schemas["NewTask"],
  // @ts-expect-error: and that one's
  { title: "Buy tea", details: "Green" } satisfies Schemas["NewUserTask"],
  // @ts-expect-error: no such operation
  { op: "toggle", id: path.task_id } satisfies Operation,
  // @ts-expect-error: no task
  { op: "create" } satisfies Operation,
  // @ts-expect-error: no changes
  { op: "update", id: path.task_id } satisfies Operation,
  // @ts-expect-error: completing changes nothing else
  { op: "complete", id: path.task_id, changes: {} } satisfies Operation,
  // @ts-expect-error: no password
  { email: "ann@example.com" } satisfies Schemas["Registration"],
];

export async function calls(): Promise<void> {
  // @ts-expect-error: no body
  await api.POST("/v1/tasks");
  // @ts-expect-error: no id
  await api.GET("/v1/tasks/{task_id}");
  // @ts-expect-error: the list's path ends in an s
  await api.GET("/v1/task", {});
  // @ts-expect-error: no such method
  await api.PATCH("/v1/tasks", { body: { title: "Buy tea" } });
  // @ts-expect-error: no such filter
  await api.GET("/v1/tasks", { params: { query: { tags: ["home"] } } });
  // @ts-expect-error: true or false
  await api.GET("/v1/tasks", { params: { query: { completed: "yes" } } });
  // @ts-expect-error: no such priority
  await api.GET("/v1/tasks", { params: { query: { priority: ["urgent"] } } });
  // @ts-expect-error: no such order
  await api.GET("/v1/tasks", { params: { query: { sort: "due_date" } } });
  // @ts-expect-error: creating heeds no If-Match
  await api.POST("/v1/tasks", { params: { header: { "If-Match": "*" } }, body: { title: "Buy tea" } });
}

export async function answers(): Promise<void> {
  const { data, error } = await api.GET("/v1/tasks/{task_id}", { params: { path } });
  // @ts-expect-error: it may have failed
  data.title;
  if (error) {
    // @ts-expect-error: no such code
    error.code === "token_expierd";
    // @ts-expect-error: a code of another operation
    error.code === "resync_required";
    if (error.code === "not_found") {
      // @ts-expect-error: that has one status
      error.status === 410;
    }
    // @ts-expect-error: that is RFC 9457's detail
    error.message;
    return;
  }
  // @ts-expect-error: that is completed_at
  data.done_at;
  // @ts-expect-error: null where there is none
  data.due_on.length;
  // @ts-expect-error: no such priority
  data.priority === "urgent";
  const { next_cursor }: Schemas["TaskPage"] = { items: [data], next_cursor: null };
  // @ts-expect-error: null on the last page
  await api.GET("/v1/tasks", { params: { query: { cursor: next_cursor } } });
}
