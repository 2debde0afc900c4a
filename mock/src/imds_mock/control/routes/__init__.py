"""The operations of the control plane, a module for each thing that they are about."""
