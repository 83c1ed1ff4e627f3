"""Array functions with safe gradients; no physics."""
