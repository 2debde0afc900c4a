"""What containers ask at 169.254.170.2 (ECS) and 169.254.170.23 (EKS): agents for the identities of the metadata."""
