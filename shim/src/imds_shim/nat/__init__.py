"""What the kernel is told: the rule, its back ends, routes and the lock around them."""
