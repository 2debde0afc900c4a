"""Callers: identifies the container that sends a request, and matches targets and variants to it."""
