"""What the service is compared with: the measured part of /api/{user_id}/tasks, in other hands."""
