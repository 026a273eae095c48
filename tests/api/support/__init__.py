"""What the tests of the API share: its operations, and people and tasks to try them on."""
