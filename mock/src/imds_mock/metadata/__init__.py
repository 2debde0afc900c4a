"""Metadata of an instance: from its facts to leaves, and from leaves to the tree that requests look up."""
