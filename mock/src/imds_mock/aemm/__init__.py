"""Drop-in for amazon-ec2-metadata-mock (AEMM) 1.13: its command line, settings, data and events, on this server."""
