"""What the process becomes: accounts, privileges, signals and the hand-off."""
