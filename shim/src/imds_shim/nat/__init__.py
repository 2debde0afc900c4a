"""What the shim changes in the kernel: NAT rules, routes and connections."""
