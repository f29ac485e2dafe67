"""Agents that live in time: they act, remember, are configured, saved and measured.

Nothing here brings JAX; `agents.training`, `agents.reporting` and the others do when imported.
"""

from agents.config import PRESETS, Config, load
from agents.errors import UserError

__all__ = ["PRESETS", "Config", "UserError", "load"]
