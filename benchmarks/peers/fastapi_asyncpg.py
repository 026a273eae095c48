"""The fast choice: FastAPI and asyncpg, without an ORM. It uses the other peer's tables."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import asyncpg
import jwt
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

SECRET = os.environ["BETTER_AUTH_SECRET"]

LIST = """
SELECT id, user_id, title, description, completed, created_at, updated_at
FROM peer_tasks WHERE user_id = $1 ORDER BY created_at DESC LIMIT $2
"""
CREATE = """
INSERT INTO peer_tasks (id, user_id, title, description, completed, created_at, updated_at)
VALUES ($1, $2, $3, $4, false, now(), now())
RETURNING id, user_id, title, description, completed, created_at, updated_at
"""
GET = """
SELECT id, user_id, title, description, completed, created_at, updated_at
FROM peer_tasks WHERE id = $1 AND user_id = $2
"""
COMPLETE = """
UPDATE peer_tasks SET completed = NOT completed, updated_at = now() WHERE id = $1 AND user_id = $2
RETURNING id, user_id, title, description, completed, created_at, updated_at
"""


@asynccontextmanager
async def open_pool(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=5, max_size=20) as app.state.pool:
        yield


app = FastAPI(lifespan=open_pool)


class TaskIn(BaseModel):
    """A task as a client sends it."""

    title: str = Field(min_length=1, max_length=200)
    description: str | None = Field(default=None, max_length=1000)


class TaskOut(TaskIn):
    """A task as a client gets it."""

    id: UUID
    user_id: str
    completed: bool
    created_at: datetime
    updated_at: datetime


async def read_token(user_id: str, credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
    """Return the calling user's id, which must be the one in the path."""
    try:
        claims = jwt.decode(credentials.credentials, SECRET, algorithms=["HS256"], options={"require": ["exp", "sub"]})
    except jwt.PyJWTError as error:
        raise HTTPException(401, "invalid token") from error
    if claims["sub"] != user_id:
        raise HTTPException(403, "user_id_mismatch")
    return user_id


Caller = Annotated[str, Depends(read_token)]


async def fetch_one(statement: str, *arguments: Any) -> dict[str, Any]:
    row = await app.state.pool.fetchrow(statement, *arguments)
    if row is None:
        raise HTTPException(404, "not_found")
    return dict(row)


@app.get("/api/{user_id}/tasks", response_model=list[TaskOut])
async def list_tasks(caller: Caller, limit: int = Query(100, le=1000)) -> list[dict[str, Any]]:
    """List tasks, newest first."""
    return [dict(row) for row in await app.state.pool.fetch(LIST, caller, limit)]


@app.post("/api/{user_id}/tasks", response_model=TaskOut, status_code=201)
async def create_task(caller: Caller, task: TaskIn) -> dict[str, Any]:
    """Create a task."""
    return await fetch_one(CREATE, uuid4(), caller, task.title, task.description)


@app.get("/api/{user_id}/tasks/{task_id}", response_model=TaskOut)
async def get_task(caller: Caller, task_id: UUID) -> dict[str, Any]:
    """Show one task."""
    return await fetch_one(GET, task_id, caller)


@app.patch("/api/{user_id}/tasks/{task_id}/complete", response_model=TaskOut)
async def complete_task(caller: Caller, task_id: UUID) -> dict[str, Any]:
    """Toggle one task."""
    return await fetch_one(COMPLETE, task_id, caller)
