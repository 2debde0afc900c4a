"""`imds-mock ctl`: the control plane for the shell and for scripts."""
