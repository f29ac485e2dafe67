"""Agents: configuration, environments, planning, training, diagnostics and reports.

Importing this package does not import JAX; its subpackages do where they need it.
"""
