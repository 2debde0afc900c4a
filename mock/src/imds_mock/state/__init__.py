"""The state of a running mock, the snapshot that each caller sees, the journal and the metrics."""
