"""The rules of the instance metadata service: requests and responses as values, without I/O."""
