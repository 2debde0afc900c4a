"""One run of the mock: its parts read, put together and kept up to date."""
