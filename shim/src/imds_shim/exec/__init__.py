"""What the process becomes: privileges, accounts, signals and the hand-off."""
