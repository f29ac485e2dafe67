"""Planners on one frozen model, and how fast a plan is."""
