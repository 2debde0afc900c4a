"""The configuration of a mock: schema, sources and errors."""
