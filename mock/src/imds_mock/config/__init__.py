"""What can be said about a mock: the schema of its settings, their sources, and what is wrong with them."""
