"""What can be asked for, and every reason to refuse. Nothing here imports JAX."""
