"""The ECS agent at 169.254.170.2 and the EKS Pod Identity agent at 169.254.170.23, with the metadata's identity."""
