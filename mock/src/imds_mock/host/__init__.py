"""The mock on a machine without containers: what makes 169.254.169.254 lead to this machine's own loopback."""
