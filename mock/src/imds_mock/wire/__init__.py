"""Bytes to requests and answers to bytes: the data plane's listener, its limits and its log."""
