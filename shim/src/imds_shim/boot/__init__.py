"""How the relocatable tree starts."""
