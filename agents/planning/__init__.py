"""The agent that plans: its parts built from a configuration, and its actor in time."""
