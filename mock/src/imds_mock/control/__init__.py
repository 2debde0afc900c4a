"""The control plane: drives a running mock over HTTP, on listeners of its own."""
