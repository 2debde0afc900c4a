"""The rules of the instance metadata service as values: which answer a request gets, without any I/O."""
