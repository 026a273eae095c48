"""The extensions: made once here, bound to an app in create_app()."""

from flask_cors import CORS
from flask_migrate import Migrate

from app.database import db

__all__ = ["cors", "db", "migrate"]

cors = CORS()
migrate = Migrate()
