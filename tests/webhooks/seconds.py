"""Times as the database sees them."""

from datetime import datetime

from flask import Flask
from sqlalchemy import select

from app.database import fetch_all
from app.database.columns import now


def seconds_until(app: Flask, later: str) -> float:
    """Return how many seconds there are between the database's time and another one."""
    with app.app_context():
        clock = fetch_all(select(now().label("clock")))[0].clock
    return (datetime.fromisoformat(later) - datetime.fromisoformat(clock)).total_seconds()
