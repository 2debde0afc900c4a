"""Events: what happens to an instance, as a timeline that is evaluated against the clock and laid over the metadata."""
