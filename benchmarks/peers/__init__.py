"""The peers: the measured part of /api/{user_id}/tasks, as others would build it."""
