"""The instance identity document and its signatures, under the mock's own keys."""
