"""How HTTP reaches the application under gunicorn."""
