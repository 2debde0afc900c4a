"""The operations of the control plane, one module per subject."""
