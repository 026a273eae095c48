"""Shared by the API's tests: its operations, and users and tasks for them."""
