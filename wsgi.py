"""What gunicorn and the `flask` command load."""

from app import create_app
from app.settings import SettingsError, load_settings

try:
    app = create_app(load_settings())
except SettingsError as error:
    raise SystemExit(f"tasks: {error}") from None
