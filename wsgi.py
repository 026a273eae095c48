"""What gunicorn and the `flask` command load."""

import gc

# What is loaded stays: searching it for garbage again and again would take a tenth of the start.
gc.disable()

from app import create_app
from app.settings import SettingsError, load_settings

try:
    app = create_app(load_settings())
except SettingsError as error:
    raise SystemExit(f"tasks: {error}") from None
# Neither are they searched when the process ends, which would take a third of a short command's time.
gc.freeze()
gc.enable()
