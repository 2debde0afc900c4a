"""Imports an instance from the EC2 API as a configuration."""
