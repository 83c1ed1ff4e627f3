"""What is computed from a result."""
