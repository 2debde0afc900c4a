"""`imds-mock ctl`: the control plane from a shell, for people and for scripts."""
