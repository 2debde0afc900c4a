"""Container entrypoint that brings an EC2 instance metadata service to 169.254.169.254."""
