"""From the facts of an instance to every leaf of its metadata, and the tree that they hang in."""
