"""Agents: configuration, environments, planning, training, diagnostics and reports.

Importing this package does not import JAX; its subpackages do where they need it.
"""

from agents.config.loading import load
from agents.config.presets import PRESETS
from agents.config.schema import Config
from agents.errors import UserError

__all__ = ["PRESETS", "Config", "UserError", "load"]
