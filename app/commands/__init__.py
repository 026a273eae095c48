"""The commands of `flask`, besides serving."""

from flask import Flask
from flask_migrate.cli import db

from app.commands import database, doctor, errors, examples, purge, seed, tasks, users, work


def init_app(app: Flask) -> None:
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
        db.add_command(command)
    examples.add_examples()
