"""Faults: responses that go wrong on purpose, decided here as values and carried out by `wire`."""
