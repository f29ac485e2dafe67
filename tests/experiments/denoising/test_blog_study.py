"""The blog's set-up: the first steps of random episodes, and every form on the same of them."""

import numpy as np
import pytest
from tiny import compiling_quickly

from agents.config.schema import EnvConfig
from agents.errors import UserError
from agents.experiments.denoising import blog_study
from agents.experiments.denoising.blog_dae import BATCH, STEPS
from agents.experiments.denoising.blog_study import (
    MENDED,
    PUBLISHED,
    TRUE,
    Trajectories,
    compare,
    first_steps,
    lines,
)

PENDULUM = EnvConfig(id="Pendulum-v1")
CARTPOLE = EnvConfig(id="CartPole-v1")
COUNT = 960
FORMS = [
    "corrupted input", "best constant", PUBLISHED, MENDED,
    "encoder-decoder, scanned", "correction, scanned",
]  # fmt: skip


def counter(end):
    """Observes (steps so far, last action), and ends after `end` steps."""
    return EnvConfig(id="worlds:Counter-v0", kwargs={"terminate_at": end})


@pytest.fixture(scope="module")
def compared():
    with compiling_quickly():
        return compare(PENDULUM, COUNT, 0)


def test_trajectories_are_the_first_ten_observations_each_beside_the_action_taken_there():
    found = first_steps(counter(STEPS), 5, 3)
    assert not found.discrete
    assert found.observations.shape == (5, STEPS, 2)
    assert found.actions.shape == (5, STEPS, 1)
    np.testing.assert_array_equal(found.observations[..., 0], [np.arange(STEPS)] * 5)
    np.testing.assert_allclose(found.observations[:, 1:, 1], found.actions[:, :-1, 0])
    assert found.blog_inputs.shape == (5, STEPS, 3)
    np.testing.assert_array_equal(found.blog_inputs[..., 2:], found.actions)


def test_as_windows_each_observation_stands_beside_the_action_that_led_to_it():
    found = first_steps(counter(STEPS), 5, 3)
    windows = found.windows
    assert np.shape(windows.mask) == (5, STEPS - 1)
    assert np.all(windows.mask)
    np.testing.assert_allclose(windows.actions[..., 0], windows.observations[:, 1:, 1])


def test_a_discrete_action_is_read_as_its_share():
    found = first_steps(CARTPOLE, 20, 0)
    assert found.discrete
    assert found.actions.shape == (20, STEPS, 2)
    assert set(found.blog_inputs[..., 4].ravel()) == {0.0, 0.5}
    np.testing.assert_array_equal(found.blog_inputs[..., 4] == 0.5, found.actions[..., 1] == 1)


def test_the_same_seed_gives_the_same_and_another_gives_others():
    first, again, other = (first_steps(PENDULUM, 4, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.observations, again.observations)
    np.testing.assert_array_equal(first.actions, again.actions)
    assert (first.observations[:, 0] != other.observations[:, 0]).any()
    assert len({tuple(row) for row in first.observations[:, 0]}) == 4


def test_episodes_that_end_too_soon_are_left_out():
    # A walk is that long by chance.
    found = first_steps(EnvConfig(id="worlds:Walk-v0"), 20, 0)
    np.testing.assert_allclose(found.observations[..., 1], [np.arange(STEPS) / 10] * 20)
    assert (np.abs(found.observations[..., 0]) <= 1.0).all()


def test_an_environment_whose_episodes_end_too_soon_is_refused_in_one_line():
    with pytest.raises(UserError) as info:
        first_steps(counter(STEPS - 1), 3, 0)
    message = str(info.value)
    assert "\n" not in message
    assert "'worlds:Counter-v0' end within 10 steps" in message
    assert "--trajectories 0" in message


def test_a_part_is_of_the_same_kind():
    whole = Trajectories(np.zeros((4, STEPS, 2)), np.ones((4, STEPS, 1)), discrete=True)
    part = whole[1:]
    assert (len(part.observations), len(part.actions), part.discrete) == (3, 3, True)


def test_there_is_a_row_a_form_and_what_it_makes_of_unseen_trajectories(compared):
    rows, curves = compared
    assert [row["form"] for row in rows] == FORMS
    assert list(curves) == [TRUE, *FORMS]
    for row in rows:
        restored = curves[row["form"]]
        assert restored.shape == (max(COUNT // 10, BATCH), STEPS, 3)
        assert row["mse"] == pytest.approx(np.mean((restored - curves[TRUE]) ** 2), rel=1e-5)
        spread = restored.std(axis=0).mean()
        assert row["spread_over_trajectories"] == pytest.approx(spread, rel=1e-5)


def test_what_is_judged_on_was_not_learned_from(compared):
    unseen = compared[1][TRUE]
    everything = first_steps(PENDULUM, COUNT + len(unseen), 0).observations
    np.testing.assert_array_equal(unseen, everything[COUNT:])


def test_the_published_loss_learns_a_constant_and_the_others_denoise(compared):
    error = {row["form"]: row["mse"] for row in compared[0]}
    spread = {row["form"]: row["spread_over_trajectories"] for row in compared[0]}
    assert error[PUBLISHED] == pytest.approx(error["best constant"], rel=0.1)
    assert spread[PUBLISHED] < 0.1 * spread[MENDED]
    for form in (MENDED, "encoder-decoder, scanned", "correction, scanned"):
        assert error[form] < error["corrupted input"]


def test_ratios_are_relative_to_the_published_form(compared):
    rows = {row["form"]: row for row in compared[0]}
    for form, row in rows.items():
        for what in ("compile_seconds", "train_seconds"):
            ratio = row[f"times_faster_{what}"]
            if form in ("corrupted input", "best constant"):
                assert row[what] is ratio is None
            else:
                assert row[what] > 0
                assert ratio == pytest.approx(rows[PUBLISHED][what] / row[what])
    assert rows[PUBLISHED]["loss_as_reported"] == pytest.approx(rows[PUBLISHED]["mse"], rel=0.2)
    assert rows["correction, scanned"]["loss_as_reported"] is None


def test_the_table_has_a_line_a_form(compared):
    rows, _ = compared
    head, *table = lines(rows)
    assert "loss says" in head
    for row, line in zip(rows, table, strict=True):
        assert line.strip().startswith(row["form"])
        assert f"{row['mse']:.5f}" in line
        assert ("s" in line.split()) == (row["train_seconds"] is not None)
    assert "1.00 x" in table[FORMS.index(PUBLISHED)]


def test_an_epoch_of_the_scanned_forms_is_every_whole_minibatch_once():
    count = 2 * BATCH + 5
    whole = Trajectories(
        np.arange(count, dtype=np.float32)[:, None, None] * np.ones((1, STEPS, 1), np.float32),
        np.zeros((count, STEPS, 1), np.float32), discrete=False,
    )  # fmt: skip
    epochs = list(blog_study._epochs(whole.windows, 0))
    seen = [np.ravel(epoch.observations[:, :, 0, 0]) for epoch in epochs]
    assert len(seen) == 10
    for numbers in seen:
        assert len(set(numbers)) == len(numbers) == 2 * BATCH
    assert len({tuple(numbers) for numbers in seen}) == 10
