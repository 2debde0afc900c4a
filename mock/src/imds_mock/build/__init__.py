"""From settings to a snapshot: loads and checks configurations, and builds their leaves."""
