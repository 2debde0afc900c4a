"""Captures a running metadata service as a configuration; uses only the standard library of Python 3.8 or newer."""
