"""Figures of planned against realised returns."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def plot_returns(document: dict[str, Any], directory: Path) -> list[Path]:
    """Draws what a document of `agents.returns` holds."""
    del document, directory
    return []
