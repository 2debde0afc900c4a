"""How the shim finds and verifies the mock: names, addresses, probes and retries."""
