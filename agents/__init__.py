"""Agents that live in time: they act, remember, are configured, saved and measured.

Importing this package does not import JAX; its rooms do where they need it.
"""

from agents.config.loading import load
from agents.config.presets import PRESETS
from agents.config.schema import Config
from agents.errors import UserError

__all__ = ["PRESETS", "Config", "UserError", "load"]
