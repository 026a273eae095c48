"""How HTTP reaches the application."""
