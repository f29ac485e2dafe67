"""Agents: configuration, environments, planning, training, diagnostics and reports.

    policy = agents.load("runs/...")     # a trained agent that acts: `agents.policy`

Importing this package does not import JAX; its subpackages do where they need it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents.policy import Policy as Policy
    from agents.policy import load as load

__all__ = ["Policy", "load"]


def __getattr__(name: str) -> Any:
    """Imports what users need only when they ask for it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from agents import policy

    return getattr(policy, name)
