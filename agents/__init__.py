"""Agents: configuration, environments, planning, training, diagnostics and reports.

    policy = agents.train("quick")         # `agents.api`
    policy = agents.load("runs/...")       # `agents.policy`

Importing this package does not import JAX; its subpackages do where they need it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents.api import train as train
    from agents.policy import Policy as Policy
    from agents.policy import load as load

_PLACES = {"Policy": "agents.policy", "load": "agents.policy", "train": "agents.api"}


def __getattr__(name: str) -> Any:
    """Imports what a user needs only when it is asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
