"""Options, presets, configuration files and command lines. Nothing here imports JAX."""
