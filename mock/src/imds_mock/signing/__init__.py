"""The instance identity document and its signatures, made with the mock's own keys."""
