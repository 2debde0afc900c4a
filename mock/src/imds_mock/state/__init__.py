"""What can change while the mock serves: state, what each caller sees of it, and the journal of who asked what."""
