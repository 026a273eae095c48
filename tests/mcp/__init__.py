"""The tests of the agents' endpoint."""
