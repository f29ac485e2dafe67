"""What is planned for when plans are timed? Networks of fixed sizes with random weights.

Shapes: O observation, A action, E members, H horizon.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_OBSERVATION, _ACTION, _MEMBERS, _HORIZON, _ITERATIONS = 8, 2, 5, 20, 5


@dataclass(frozen=True)
class Workload:
    """Sizes of the networks and of the search.

    Attributes:
      name: in the tables.
      hidden: units a layer.
      population: candidate plans an iteration, of which a tenth are elites.
    """

    name: str
    hidden: tuple[int, ...]
    population: int

    @property
    def layers(self) -> list[tuple[int, int]]:
        """Inputs and outputs of each layer; the last one gives a mean and a log-variance."""
        return list(
            itertools.pairwise((_OBSERVATION + _ACTION, *self.hidden, 2 * (_OBSERVATION + 1)))
        )

    @property
    def flops(self) -> int:
        """Multiplications and additions of the matrix products in one plan."""
        weights = sum(inputs * outputs for inputs, outputs in self.layers)
        return 2 * weights * self.population * _MEMBERS * _HORIZON * _ITERATIONS

    def save(self, path: Path) -> None:
        """Writes networks and sizes as `contenders/protocol.py` reads them.

        The weights are the same every time.
        """
        rng = np.random.default_rng(0)
        arrays: dict[str, Any] = {
            "observation_size": _OBSERVATION,
            "action_size": _ACTION,
            "members": _MEMBERS,
            "population": self.population,
            "horizon": _HORIZON,
            "iterations": _ITERATIONS,
            "elites": max(self.population // 10, 2),  # of one, mbrl-lib's spread is NaN
            "observation": rng.normal(size=_OBSERVATION) / 10,
            "min_log_variance": np.full(_OBSERVATION + 1, -10.0),
            "max_log_variance": np.full(_OBSERVATION + 1, 0.5),
        }
        last = len(self.hidden)
        for layer, (inputs, outputs) in enumerate(self.layers):
            scale = (0.05 if layer == last else 1.0) / np.sqrt(inputs)  # changes stay small
            arrays[f"w{layer}"] = scale * rng.normal(size=(_MEMBERS, inputs, outputs))
            arrays[f"b{layer}"] = rng.normal(size=(_MEMBERS, outputs)) / 10
        arrays[f"b{last}"][:, _OBSERVATION + 1 :] -= 4.0  # log-variances of a good model
        numbers: dict[str, Any] = {
            name: array if isinstance(array, int) else np.asarray(array, np.float32)
            for name, array in arrays.items()
        }
        np.savez(path, **numbers)


A = Workload("A", (200, 200, 200, 200), 500)
B = Workload("B", (64, 64), 100)
SIZES = tuple(
    Workload(f"{side.name}, {population} candidates", side.hidden, population)
    for side in (A, B)
    for population in (10, 30, 100, 300, 1000)
)
"""Workloads of many sizes, for the figure."""
