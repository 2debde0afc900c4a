"""Sources of role credentials, and the documents that show them."""
