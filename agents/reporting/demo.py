"""A look at once: a trained lander that comes with the package flies, with its plans drawn."""

from collections.abc import Iterator
from pathlib import Path

from agents.analysis.tables import writing
from agents.analysis.text import number
from agents.policy import load
from agents.reporting.film import animate

LANDER = Path(__file__).parents[1] / "policy" / "examples" / "lunar-lander.npz"
"""Made by `agents.load(RUN_DIR).save(FILE)` of a run of the preset `lunar-lander`."""


def fly(seed: int, out: Path) -> Iterator[str]:
    """Films one episode of the example, and says what came of it.

    Args:
      seed: of the episode.
      out: the GIF; an existing one is replaced.

    Raises:
      UserError: the file cannot be written.
    """
    policy = load(LANDER)
    penalty = policy.config.regularizer.name
    yield (
        f"flying {policy.config.env.id}, episode seed {seed}: a lander that learned from"
        f" {policy.config.env_steps:,} steps, planner {policy.config.planner.name}, penalty"
        f" {penalty}, weight {policy.weight:.3g}"
    )
    with writing(out.parent):
        result = animate(policy, seed, out)
    yield f"return {number(result.return_)} in {result.length} steps (200 counts as solved)"
    yield (
        f"film   {out}: the paths that every plan imagined, blue where they are familiar to the"
        " denoiser, orange where they are unusual"
    )
