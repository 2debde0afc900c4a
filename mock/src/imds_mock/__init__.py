"""EC2 instance metadata service (IMDS) for development and tests."""
