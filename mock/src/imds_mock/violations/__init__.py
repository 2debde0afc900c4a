"""What does not fit a schema, in our own sentences: every wrong field, what was expected, and the nearest known name.

msgspec checks quickly, stops at the first fault and speaks of types. So only after it has refused a value the value is
walked along its type, once, and everything that does not fit is collected.
"""
