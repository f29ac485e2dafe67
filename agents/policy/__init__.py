"""A trained agent that acts, in one environment or in a batch of them, and its file."""

from agents.policy.policy import Evidence, Policy, PolicyState, load

__all__ = ["Evidence", "Policy", "PolicyState", "load"]
