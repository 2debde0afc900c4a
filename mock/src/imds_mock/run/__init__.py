"""One mock: its components, background tasks and life cycle, and the program around it."""
