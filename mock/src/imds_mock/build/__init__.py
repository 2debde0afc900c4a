"""From a configuration to a snapshot: leaves, agents and the rules of the compatibility mode."""
