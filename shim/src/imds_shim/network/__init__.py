"""Who answers for the metadata service: names, addresses, the probe, waiting and verification."""
