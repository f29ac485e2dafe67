"""Plans from held-out states, and the weight `familiar`, in a world where the right one is known.

A decision a, a single number in [-1, 1], brings the return a and has the penalty a^2. The best plan
for a weight w has a = min(1, 1 / 2w) throughout. Where the data's actions are +c and -c, plans are
as familiar as they are from the weight 1 / 2c on.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from agents.planning.familiar import (
    GRID,
    STATES,
    HeldOutPlans,
    _distance_to,
    _windows,
    plan_held_out,
    typical_return,
)
from mbrl import Episode, Plan, Replay, Trajectory

HORIZON = 3


class Parabola:
    """Plans and judges as a `PlanningAgent` does, in closed form.

    Attributes:
      imitated: actions of the cloned policy's plans, one a member; empty without one.
    """

    imitated: tuple[float, ...] = ()

    def initial_plans(self, count):
        return jnp.zeros(count)

    def act(self, state, keys, plan_states, observations, weight, survival_bonus):
        best = min(1.0, 1 / (2 * weight)) if weight else 1.0
        actions = jnp.full((len(observations), HORIZON, 1), best)
        nothing = jnp.zeros(len(observations))
        plan = Plan(
            actions=actions,
            planned_return=nothing,
            penalty=nothing,
            spread=nothing,
            score=nothing,
            elite_scores=nothing[:, None],
        )
        return plan, plan_states

    def rollouts(self, state, key, observations, actions):
        moved = jnp.cumsum(actions, axis=1)
        paths = jnp.concatenate([observations[:, None], observations[:, None] + moved], axis=1)
        both = [jnp.repeat(leaf[:, None], 2, axis=1) for leaf in (paths, actions)]  # two members
        return Trajectory(
            observations=both[0],
            actions=both[1],
            rewards=both[1][..., 0],
            continue_probs=jnp.ones_like(both[1][..., 0]),
        )

    def suggestions(self, state, keys, observations):
        if not self.imitated:
            return None
        size = len(observations)
        each = [jnp.full((size, HORIZON, 1), action) for action in self.imitated]
        return jnp.stack(each, axis=1)

    def penalties(self, state, paths):
        return jnp.asarray(paths.actions)[..., 0] ** 2


def logged(size: float) -> Replay:
    """Four episodes of actions of one size, either way."""
    replay = Replay(members=1, repeat=1, holdout=0.5, seed=0)
    rng = np.random.default_rng(0)
    for _ in range(4):
        actions = size * rng.choice([-1.0, 1.0], (8, 1)).astype(np.float32)
        places = np.concatenate([[[0.0]], np.cumsum(actions, axis=0)]).astype(np.float32)
        replay.append(Episode(places, actions, np.ones(8, np.int32), actions[:, 0], False))
    return replay


def plan(size: float, weights: Sequence[float], agent: Parabola | None = None) -> HeldOutPlans:
    parts: dict[str, Any] = {"agent": agent or Parabola(), "state": None}
    key = jax.random.key(0)
    return plan_held_out(**parts, key=key, replay=logged(size), weights=weights, horizon=HORIZON)


@pytest.mark.parametrize(("size", "right"), [(0.5, 1.0), (0.25, 2.0), (1.0, 0.0)])
def test_the_known_weight_is_chosen(size, right):
    weights = (0.0, 0.5, 0.99, 1.0, 1.9, 2.0, 8.0)
    plans = plan(size, weights)
    assert (plans.weight, plans.reached) == (right, True)
    assert plans.logged.penalty == pytest.approx(size**2)
    assert plans.recorded_penalty == pytest.approx(size**2)
    best = [min(1.0, 1 / (2 * weight)) if weight else 1.0 for weight in weights]
    np.testing.assert_allclose([each.penalty for each in plans.plans], np.square(best), rtol=1e-6)
    returns = [each.return_ for each in plans.plans]
    np.testing.assert_allclose(returns, HORIZON * np.array(best), rtol=1e-6)


def test_with_a_cloned_policy_its_median_plan_is_the_reference():
    agent = Parabola()
    agent.imitated = (0.25, 1.0, 0.5)
    plans = plan(1.0, (0.0, 0.99, 1.0, 8.0), agent)  # the data's own actions would allow all
    assert (plans.weight, plans.reached, plans.imitated) == (1.0, True, True)
    assert [each.familiar for each in plans.plans] == [0.0, 0.0, 1.0, 1.0]
    assert plans.logged.familiar == 0.0
    assert plan(1.0, (0.0, 8.0)).logged.familiar == 1.0


def test_a_plan_that_repeats_the_data_is_at_no_distance_from_them():
    greedy, timid = plan(1.0, (0.0, 100.0)).plans
    assert timid.distance > 0.4  # an action near 0, where all of the data are 1 or -1
    assert greedy.distance < timid.distance


def test_typical_return_scales_with_rewards_and_is_one_where_there_are_none():
    replay = logged(0.5)
    unit = typical_return(replay, HORIZON, 1.0)
    assert unit == pytest.approx(2 * typical_return(logged(0.25), HORIZON, 1.0))
    assert typical_return(logged(0.0), HORIZON, 1.0) == 1.0
    assert typical_return(Replay(members=1, repeat=1, holdout=0.5, seed=0), HORIZON, 1.0) == 1.0


def test_the_grid_begins_without_a_penalty_and_grows():
    assert GRID[0] == 0.0
    assert np.all(np.diff(GRID) > 0)
    assert STATES > 1


def test_short_episodes_have_a_unit_and_a_spread_of_states():
    replay = Replay(members=1, repeat=1, holdout=0.5, seed=0)
    for length in (2, 2, 2, 2):
        actions = np.full((length, 1), 0.5, np.float32)
        places = np.arange(length + 1, dtype=np.float32)[:, None]
        rewards = np.full(length, 4.0, np.float32)
        replay.append(Episode(places, actions, np.ones(length, np.int32), rewards, False))
    assert typical_return(replay, HORIZON, 1.0) == pytest.approx(4.0 * HORIZON)
    windows = _windows(replay, HORIZON)
    assert set(windows.observations[:, 0, 0].tolist()) == {0.0, 1.0}  # not the first ones alone


def test_an_observation_that_never_changes_adds_no_distance():
    replay = Replay(members=1, repeat=1, holdout=0.5, seed=0)
    rng = np.random.default_rng(0)
    for _ in range(4):
        places = np.stack([rng.normal(size=9), np.full(9, 0.1)], axis=1).astype(np.float32)
        actions = rng.uniform(-1, 1, (8, 1)).astype(np.float32)
        replay.append(Episode(places, actions, np.ones(8, np.int32), actions[:, 0], False))
    seen = replay.transitions()
    paths = Trajectory(
        observations=jnp.asarray(seen.observation)[None, None],
        actions=jnp.asarray(seen.action)[None, None, :-1],
        rewards=jnp.zeros((1, 1, len(seen.reward) - 1)),
        continue_probs=jnp.ones((1, 1, len(seen.reward) - 1)),
    )
    np.testing.assert_allclose(_distance_to(replay)(paths), 0.0, atol=1e-6)
