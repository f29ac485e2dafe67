"""Every configuration that is accepted runs to its end: it trains, is evaluated and reported.

Configurations are drawn at the bounds of their options, each small enough to run in seconds.
"""

import json
import types
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np
import pytest
from annotated_types import Ge, Gt, Le, Lt
from logged import random_run
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from tiny import TINY, forget_compiled, frozen_of, sharing, train

from agents.config import NO_ENVIRONMENT, Config, Options
from agents.data import from_replay, save
from agents.logs.log import SUMMARY
from agents.reporting.conclude import evaluate_run
from agents.reporting.html import REPORT, write_report

COUNT = 300
FILMED_EVERY = 10  # runs: curve and film take four fifths of a tiny run's time
LOGGED_EVERY = 4  # runs: the others learn online

# Without an upper bound an option costs time, not correctness: a few units and no more.
_INTEGERS_ABOVE = (1, 3)
# In the plans of all environments; hundreds with a long horizon each take a quarter of an hour.
_MOST_DECISIONS = 10_000
# Over the data; their upper bound is there against fits that never end.
_PASSES = (0.0, 2.0)
# Steps of Adam beyond which a fit may diverge, which is refused.
_LEARNING_RATES = (1e-6, 1e-2)
# What a draw does not choose: to be big, long or somewhere else.
_FIXED: dict[str, Any] = {
    "data": "",
    "wandb": "",
    "env": TINY["env"],
    "known_reward": "worlds:wages",
    "env_steps": TINY["env_steps"],
    "random_steps": TINY["random_steps"],
    "seed": 0,
}


def draw_config(number: int, dataset: str = "walk.npz") -> Config:
    """A valid configuration of the tiny world `Walk`; one number, one configuration.

    Every fourth learns from `dataset`, whose actions are held for two steps, and every eighth from
    it alone.
    """
    logged, alone = number % LOGGED_EVERY == 1, number % (2 * LOGGED_EVERY) == 1
    rng = np.random.default_rng([20, number])
    while True:
        values = _draw(Config, rng)
        values["env_steps"] = int(rng.choice([1, 50, 120]))
        values["random_steps"] = int(rng.choice([1, 40, 200]))
        if values["num_envs"] * values["planner"]["horizon"] > _MOST_DECISIONS:
            values["num_envs"] = 1
        values["evaluation"]["seed"] = int(rng.choice([10_000, 2**30 - 10]))
        repeat = int(rng.choice([1, 2, 100]))
        limited = {"max_episode_steps": int(rng.choice([1, 15, 40]))}
        values["env"] = {"id": "worlds:Walk-v0", "kwargs": limited, "action_repeat": repeat}
        if logged:
            values |= {"data": dataset, "env": values["env"] | {"action_repeat": 2}}
        if alone:
            values["env"] |= {"id": NO_ENVIRONMENT, "kwargs": {}}
        try:
            return Config.model_validate(values)
        except ValidationError:
            continue


def _draw(options: type[Options], rng: np.random.Generator) -> dict[str, Any]:
    drawn: dict[str, Any] = {}
    for name, field in options.model_fields.items():
        if name in _FIXED:
            drawn[name] = _FIXED[name]
        elif name == "learning_rate":
            drawn[name] = float(rng.choice(_LEARNING_RATES))
        elif name == "passes":
            drawn[name] = float(rng.choice(_PASSES))
        elif isinstance(field.annotation, type) and issubclass(field.annotation, Options):
            drawn[name] = _draw(field.annotation, rng)
        else:
            chosen = _values(field)
            drawn[name] = chosen[int(rng.integers(len(chosen)))]
    return drawn


def _values(field: FieldInfo) -> Sequence[Any]:
    """What an option is drawn from: its bounds, every choice, and its default where small."""
    found = _of_kind(field.annotation, field.metadata)
    default = field.get_default(call_default_factory=True)
    small = not isinstance(default, int) or isinstance(default, bool) or default <= 4
    return [*found, default] if small and not isinstance(default, tuple) else found


def _of_kind(kind: Any, metadata: Sequence[Any]) -> list[Any]:
    origin = get_origin(kind)
    if origin is Annotated:
        return _of_kind(kind.__origin__, kind.__metadata__)
    if origin in (Union, types.UnionType):
        return [value for each in get_args(kind) for value in _of_kind(each, ())]
    if origin is Literal:
        return list(get_args(kind))
    if kind is bool:
        return [False, True]
    if origin is tuple:
        return [(4,), (4, 3)]
    metadata = [part for each in metadata for part in getattr(each, "metadata", (each,))]
    bounds: dict[type, Any] = {type(each): each for each in metadata}
    if kind is int:
        least = bounds[Ge].ge
        most = [bounds[Le].le] if Le in bounds and bounds[Le].le <= 1000 else []
        return [least, *(least + more for more in _INTEGERS_ABOVE), *most]
    if kind is float:
        floor = bounds[Ge].ge if Ge in bounds else bounds[Gt].gt + 1e-6
        top = bounds[Le].le if Le in bounds else bounds[Lt].lt - 1e-6 if Lt in bounds else 2.0
        return [float(floor), float(top)]
    raise TypeError(f"no values are known for {kind}")


def test_the_bounds_of_every_option_are_drawn():
    drawn = [draw_config(number).model_dump(mode="json") for number in range(COUNT)]
    for name in ("num_envs", "fit_every", "keep_checkpoints"):
        assert Config.model_fields[name].metadata[0].ge in {each[name] for each in drawn}
    assert {each["evaluation"]["states"] for each in drawn} >= {0, 1}
    assert len({each["planner"]["name"] for each in drawn}) == 5
    assert len({each["regularizer"]["name"] for each in drawn}) == 6


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> str:
    """The episodes of a random run, as a data set."""
    frozen = frozen_of(random_run())
    name = str(tmp_path_factory.mktemp("data") / "walk.npz")
    save(from_replay(name, frozen.spec, TINY["env"]["kwargs"], frozen.replay.episodes), name)
    return name


@pytest.fixture
def forgetting() -> Iterator[None]:
    """Hardly two of the configurations compile alike."""
    yield
    forget_compiled()


@pytest.mark.stress
@pytest.mark.usefixtures("forgetting")
@pytest.mark.timeout(1800)  # one fit an episode takes minutes
@pytest.mark.parametrize("number", range(COUNT))
def test_a_valid_configuration_runs_to_its_end(number, dataset, tmp_path):
    config = draw_config(number, dataset)
    run_dir = train(config, tmp_path / "run", drawn=number % FILMED_EVERY == 0)
    summary = json.loads((run_dir / SUMMARY).read_text())
    if config.env.id == NO_ENVIRONMENT:
        assert summary["held_out_plans"]["plans"]
    else:
        assert summary["evaluation"]["returns"]
        with sharing():
            evaluate_run(run_dir, 1, None, gif=False)
    write_report(run_dir)
    assert (run_dir / REPORT).stat().st_size > 1000
