"""The usual choice: FastAPI, SQLModel and psycopg2, as in their documentation."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4

import jwt
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Index
from sqlmodel import Field, Session, SQLModel, create_engine, select

SECRET = os.environ["BETTER_AUTH_SECRET"]
URL = os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg2:", 1)

engine = create_engine(URL, pool_size=20, max_overflow=20)
app = FastAPI()


def now() -> datetime:
    return datetime.now(UTC)


class TaskIn(SQLModel):
    """A task as a client sends it."""

    title: str = Field(min_length=1, max_length=200)
    description: str | None = Field(default=None, max_length=1000)


class Task(TaskIn, table=True):
    """A row of tasks."""

    __tablename__ = "peer_tasks"
    __table_args__ = (Index("peer_tasks_user_id_created_at_idx", "user_id", "created_at"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: str
    completed: bool = False
    created_at: datetime = Field(default_factory=now)
    updated_at: datetime = Field(default_factory=now)


class TaskOut(TaskIn):
    """A task as a client gets it."""

    id: UUID
    user_id: str
    completed: bool
    created_at: datetime
    updated_at: datetime


def open_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


def read_token(credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
    """Return the calling user's id."""
    try:
        claims = jwt.decode(credentials.credentials, SECRET, algorithms=["HS256"], options={"require": ["exp", "sub"]})
    except jwt.PyJWTError as error:
        raise HTTPException(401, "invalid token") from error
    return str(claims["sub"])


Caller = Annotated[str, Depends(read_token)]
Database = Annotated[Session, Depends(open_session)]


def refuse_others(user_id: str, caller: str) -> None:
    if user_id != caller:
        raise HTTPException(403, "user_id_mismatch")


def find(session: Session, caller: str, task_id: UUID) -> Task:
    task = session.exec(select(Task).where(Task.id == task_id, Task.user_id == caller)).first()
    if task is None:
        raise HTTPException(404, "not_found")
    return task


def save(session: Session, task: Task) -> Task:
    session.add(task)
    session.commit()
    session.refresh(task)
    return task


@app.get("/api/{user_id}/tasks", response_model=list[TaskOut])
def list_tasks(user_id: str, session: Database, caller: Caller, limit: int = Query(100, le=1000)) -> Sequence[Task]:
    """List tasks, newest first."""
    refuse_others(user_id, caller)
    return session.exec(select(Task).where(Task.user_id == caller).order_by(Task.created_at.desc()).limit(limit)).all()


@app.post("/api/{user_id}/tasks", response_model=TaskOut, status_code=201)
def create_task(user_id: str, task: TaskIn, session: Database, caller: Caller) -> Task:
    """Create a task."""
    refuse_others(user_id, caller)
    return save(session, Task.model_validate(task, update={"user_id": caller}))


@app.get("/api/{user_id}/tasks/{task_id}", response_model=TaskOut)
def get_task(user_id: str, task_id: UUID, session: Database, caller: Caller) -> Task:
    """Show one task."""
    refuse_others(user_id, caller)
    return find(session, caller, task_id)


@app.patch("/api/{user_id}/tasks/{task_id}/complete", response_model=TaskOut)
def complete_task(user_id: str, task_id: UUID, session: Database, caller: Caller) -> Task:
    """Toggle one task."""
    refuse_others(user_id, caller)
    task = find(session, caller, task_id)
    task.completed = not task.completed
    return save(session, task)


if __name__ == "__main__":
    # Create the tables, also for the other peer.
    SQLModel.metadata.create_all(engine)
