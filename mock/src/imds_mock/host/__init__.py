"""The mock without containers: redirects 169.254.169.254 to this machine's loopback address."""
