"""The control plane: an HTTP API for a running mock, on its own listeners."""
