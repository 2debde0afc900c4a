"""Generates a Compose override that adds the mock to a user's project."""
