"""The data plane on the network: listener, connections, limits and access log."""
