// What a front end does, from signing up to catching up with another device's changes. It is compiled, never run.
import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./api.js";

type Schemas = components["schemas"];
type Task = Schemas["Task"];
type Operation = Schemas["BatchRequest"]["operations"][number];

const api = createClient<paths>({ baseUrl: "https://tasks.example.com" });

/** A table's columns: the members of a task, all of them and no others. */
export const columns: Record<keyof Task, string> = {
  id: "Id",
  title: "Title",
  details: "Details",
  completed: "Done",
  completed_at: "Done at",
  priority: "Priority",
  tags: "Tags",
  due_on: "Due on",
  due_at: "Due at",
  time_zone: "Time zone",
  recurrence: "Comes again",
  reminders: "Reminders",
  list_id: "List",
  parent_id: "Part of",
  position: "Place",
  created_at: "Made at",
  updated_at: "Changed at",
  user_id: "Owner",
};

/** What `code` says a program can do next. */
function advice(problem: Schemas["ProblemDetails"]): string {
  switch (problem.code) {
    case "token_expired":
      return "refresh";
    case "precondition_failed":
      return "reload";
    case "validation_error":
      return Object.entries(problem.errors ?? {})
        .map(([field, messages]) => `${field}: ${messages.join(" ")}`)
        .join("\n");
    default:
      return `${problem.status} ${problem.title}: ${problem.detail} (${problem.request_id})`;
  }
}

function orThrow<Body>(answer: { data?: Body; error?: Schemas["ProblemDetails"] }): Body {
  if (answer.data === undefined) {
    throw new Error(answer.error ? advice(answer.error) : "no body");
  }
  return answer.data;
}

export async function register(email: string, password: string): Promise<Schemas["User"]> {
  const { user, access_token, token_type } = orThrow(
    await api.POST("/v1/auth/register", { body: { email, password, name: null } }),
  );
  const withToken: Middleware = {
    onRequest({ request }) {
      request.headers.set("Authorization", `${token_type} ${access_token}`);
      return request;
    },
  };
  api.use(withToken);
  return user;
}

export async function signIn(email: string, password: string): Promise<Date> {
  const tokens = orThrow(await api.POST("/v1/auth/login", { body: { email, password } }));
  const { refresh_token } = tokens;
  const { expires_in } = orThrow(await api.POST("/v1/auth/refresh", { body: { refresh_token } }));
  return new Date(Date.now() + expires_in * 1000);
}

/** With nothing but a title, and with everything. */
export async function create(): Promise<[Task, string | null]> {
  orThrow(await api.POST("/v1/tasks", { body: { title: "Buy tea" } }));
  const { data, error, response } = await api.POST("/v1/tasks", {
    params: { header: { "Idempotency-Key": crypto.randomUUID() } },
    body: {
      id: crypto.randomUUID(),
      title: "Water the plants",
      details: "The ones on the balcony too",
      completed: false,
      priority: "high",
      tags: ["home", "plants"],
      due_on: "2026-03-14",
      due_at: null,
      time_zone: "Europe/Berlin",
      recurrence: "FREQ=WEEKLY;BYDAY=MO,WE,FR",
      reminders: [{ before_minutes: 15 }, { at: "2026-03-13T18:00:00Z" }],
    },
  });
  if (error) {
    throw new Error(advice(error));
  }
  return [data, response.headers.get("ETag")];
}

/** Every open task of some tags and priorities, page by page. */
export async function* urgent(): AsyncGenerator<Task> {
  let cursor: string | null = null;
  do {
    const page: Schemas["TaskPage"] = orThrow(
      await api.GET("/v1/tasks", {
        params: {
          query: {
            completed: false,
            priority: ["medium", "high"],
            tag: ["home", "plants"],
            q: "water",
            due_before: "2026-04-01",
            due_after: "2026-03-01T00:00:00+01:00",
            overdue: false,
            deleted: false,
            sort: "-due",
            limit: 100,
            ...(cursor === null ? {} : { cursor }),
          },
        },
      }),
    );
    yield* page.items;
    cursor = page.next_cursor;
  } while (cursor !== null);
}

/** Take the due away, unless another device was faster. */
export async function postpone(task: Task, etag: string): Promise<Task | "changed meanwhile"> {
  const { data, error, response } = await api.PATCH("/v1/tasks/{task_id}", {
    params: { path: { task_id: task.id }, header: { "If-Match": etag } },
    body: { due_on: null, due_at: null, recurrence: null, details: null },
  });
  if (response.status === 412) {
    return "changed meanwhile";
  }
  if (error) {
    throw new Error(advice(error));
  }
  return data;
}

export async function toggle(task: Task): Promise<string> {
  const { completed, completed_at } = orThrow(
    await api.POST("/v1/tasks/{task_id}/toggle", { params: { path: { task_id: task.id } } }),
  );
  return completed && completed_at !== null ? `done at ${new Date(completed_at).toISOString()}` : "open";
}

/** A form that got a task sends all of it back, with what it changed. */
export async function rename(task: Task, title: string): Promise<Task> {
  return orThrow(
    await api.PATCH("/v1/tasks/{task_id}", { params: { path: { task_id: task.id } }, body: { ...task, title } }),
  );
}

export async function replaceThenDelete({ id, title, priority, tags }: Task, etag: string): Promise<boolean> {
  const path = { task_id: id };
  orThrow(await api.PUT("/v1/tasks/{task_id}", { params: { path }, body: { title, priority, tags } }));
  const known = await api.GET("/v1/tasks/{task_id}", { params: { path, header: { "If-None-Match": etag } } });
  if (known.response.status === 304) {
    return false;
  }
  const { response } = await api.DELETE("/v1/tasks/{task_id}", { params: { path } });
  return response.status === 204;
}

export async function runBatch(task: Task): Promise<Map<string, string | null>> {
  const operations: Operation[] = [
    { op: "create", task: { title: "Buy tea", tags: ["errands"] } },
    { op: "update", id: task.id, changes: { priority: "low", due_on: null } },
    { op: "complete", id: task.id },
    { op: "reopen", id: task.id },
    { op: "delete", id: task.id },
  ];
  const { results } = orThrow(await api.POST("/v1/tasks/batch", { body: { operations } }));
  return new Map(results.map(({ id, etag }) => [id, etag]));
}

/** Bring a copy up to date; from the start where the server no longer knows how far it was. */
export async function catchUp(copy: Map<string, Task>, since?: string): Promise<string> {
  const query = since === undefined ? {} : { since };
  const { data, error } = await api.GET("/v1/tasks/changes", { params: { query } });
  if (error) {
    if (error.code !== "resync_required") {
      throw new Error(advice(error));
    }
    copy.clear();
    return catchUp(copy);
  }
  data.changed.forEach((task) => copy.set(task.id, task));
  data.deleted.forEach((id) => copy.delete(id));
  return data.has_more ? catchUp(copy, data.next) : data.next;
}

export async function download(): Promise<Blob> {
  return orThrow(await api.GET("/v1/tasks/export", { params: { query: { format: "ics" } }, parseAs: "blob" }));
}

/** The other family: the user in the path, `description` for `details`, a bare array, a body that may be missing. */
export async function byUser(user_id: string): Promise<(string | null)[]> {
  const path = { user_id };
  const { id } = orThrow(
    await api.POST("/api/{user_id}/tasks", { params: { path }, body: { title: "Buy tea", description: "Green" } }),
  );
  const one = { params: { path: { user_id, task_id: id } } };
  orThrow(await api.PATCH("/api/{user_id}/tasks/{task_id}/complete", one));
  orThrow(await api.PATCH("/api/{user_id}/tasks/{task_id}/complete", { ...one, body: { completed: true } }));
  const tasks = orThrow(
    await api.GET("/api/{user_id}/tasks", {
      params: { path, query: { status: "pending", sort: "due_date", priority: ["high"], tag: ["home"] } },
    }),
  );
  return tasks.map((task) => task.description);
}
