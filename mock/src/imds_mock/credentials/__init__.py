"""Where the credentials of a role come from, and the documents in which they are shown."""
