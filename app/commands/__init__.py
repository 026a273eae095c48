"""The commands of `flask`, besides serving."""

from flask import Flask
from flask_migrate import Migrate
from flask_migrate.cli import db as migrations

from app.commands import database, doctor, errors, examples, purge, seed, tasks, users, work
from app.database import db
from app.settings import PROJECT


def init_app(app: Flask) -> None:
    Migrate(app, db, directory=str(PROJECT / "migrations"))
    for command in (
        tasks.tasks,
        purge.purge,
        work.work,
        doctor.doctor,
        seed.seed,
        users.users,
        errors.errors,
    ):
        app.cli.add_command(command)
    for command in (database.grant, database.distribute):
        # Flask-Migrate's own group.
        migrations.add_command(command)
    examples.add_examples()
