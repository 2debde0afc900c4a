"""Events: what happens to an instance, as a timeline evaluated against the clock and laid over the metadata."""
