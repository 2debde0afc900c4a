"""What a user's own compose file needs for the mock, as an override of it."""
