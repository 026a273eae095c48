// The usual choice in Node: Fastify, @fastify/jwt and postgres.js, with a process for each worker.
import cluster from "node:cluster";
import { randomUUID } from "node:crypto";
import fastifyJwt from "@fastify/jwt";
import Fastify from "fastify";
import postgres from "postgres";

const { BETTER_AUTH_SECRET, DATABASE_URL, HOST, PORT, WEB_CONCURRENCY } = process.env;

const USER = { user_id: { type: "string" } };
const CONTENT = {
  title: { type: "string", minLength: 1, maxLength: 200 },
  description: { type: ["string", "null"], maxLength: 1000 },
};
const TASK = {
  type: "object",
  properties: {
    id: { type: "string", format: "uuid" },
    ...USER,
    ...CONTENT,
    completed: { type: "boolean" },
    created_at: { type: "string", format: "date-time" },
    updated_at: { type: "string", format: "date-time" },
  },
};
const OF_USER = { type: "object", properties: USER };
const LIST = {
  params: OF_USER,
  querystring: { type: "object", properties: { limit: { type: "integer", maximum: 1000, default: 100 } } },
  response: { 200: { type: "array", items: TASK } },
};
const CREATE = {
  params: OF_USER,
  body: { type: "object", required: ["title"], properties: CONTENT },
  response: { 201: TASK },
};
const ONE = {
  params: { type: "object", properties: { ...USER, id: { type: "string", format: "uuid" } } },
  response: { 200: TASK },
};

if (process.argv[2] === "prepare") {
  await createTables();
} else if (cluster.isPrimary) {
  for (let worker = 0; worker < Number(WEB_CONCURRENCY); worker++) cluster.fork();
} else {
  await serve();
}

async function createTables() {
  const sql = postgres(DATABASE_URL, { max: 1 });
  await sql`CREATE TABLE node_tasks (
    id uuid PRIMARY KEY,
    user_id text NOT NULL,
    title text NOT NULL,
    description text,
    completed boolean NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
  )`;
  await sql`CREATE INDEX node_tasks_user_id_created_at_idx ON node_tasks (user_id, created_at)`;
  await sql.end();
}

async function serve() {
  // Fastify's own log has two lines for each request.
  const app = Fastify({ logger: { level: "info" }, disableRequestLogging: true });
  app.addHook("onResponse", async (request, reply) => {
    request.log.info({ req: request, res: reply, responseTime: reply.elapsedTime }, "request completed");
  });
  app.register(fastifyJwt, {
    secret: BETTER_AUTH_SECRET,
    verify: { algorithms: ["HS256"], requiredClaims: ["exp", "sub"] },
  });
  addRoutes(app, postgres(DATABASE_URL, { max: 20 }));
  await app.listen({ host: HOST, port: Number(PORT) });
}

/** Reject a request without a valid token of the user in the path. */
async function readToken(request, reply) {
  try {
    await request.jwtVerify();
  } catch {
    return reply.code(401).send({ detail: "invalid token" });
  }
  if (request.user.sub !== request.params.user_id) return reply.code(403).send({ detail: "user_id_mismatch" });
}

function addRoutes(app, sql) {
  const columns = sql`id, user_id, title, description, completed, created_at, updated_at`;
  const found = (reply, rows) => rows[0] ?? reply.code(404).send({ detail: "not_found" });
  const route = (schema) => ({ onRequest: readToken, schema });

  app.get("/api/:user_id/tasks", route(LIST), ({ user, query }) =>
    sql`SELECT ${columns} FROM node_tasks WHERE user_id = ${user.sub} ORDER BY created_at DESC LIMIT ${query.limit}`);

  app.post("/api/:user_id/tasks", route(CREATE), async ({ user, body }, reply) => {
    const [task] = await sql`
      INSERT INTO node_tasks (id, user_id, title, description, completed, created_at, updated_at)
      VALUES (${randomUUID()}, ${user.sub}, ${body.title}, ${body.description ?? null}, false, now(), now())
      RETURNING ${columns}`;
    return reply.code(201).send(task);
  });

  app.get("/api/:user_id/tasks/:id", route(ONE), async ({ user, params }, reply) =>
    found(reply, await sql`SELECT ${columns} FROM node_tasks WHERE id = ${params.id} AND user_id = ${user.sub}`));

  app.patch("/api/:user_id/tasks/:id/complete", route(ONE), async ({ user, params }, reply) =>
    found(reply, await sql`
      UPDATE node_tasks SET completed = NOT completed, updated_at = now()
      WHERE id = ${params.id} AND user_id = ${user.sub}
      RETURNING ${columns}`));
}
