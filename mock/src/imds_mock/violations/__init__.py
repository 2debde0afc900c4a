"""Sentences about a document that does not match its schema: the wrong field, what was expected, the nearest name.

msgspec converts quickly, but it stops at the first error and writes about types. So it converts, and only a document
that it refuses is compared with its type here, once, to collect all errors.
"""
