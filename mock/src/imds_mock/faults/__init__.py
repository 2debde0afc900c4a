"""Faults: answers that go wrong on purpose. Decided here as values, carried out by the data plane's connections."""
