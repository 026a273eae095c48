"""What `flask` can do beside serving."""

from flask import Flask

from app.commands.doctor import doctor
from app.commands.errors import errors
from app.commands.examples import add_examples
from app.commands.purge import purge
from app.commands.seed import seed
from app.commands.tasks import tasks
from app.commands.users import users


def init_app(app: Flask) -> None:
    for command in (tasks, purge, doctor, seed, users, errors):
        app.cli.add_command(command)
    add_examples()
