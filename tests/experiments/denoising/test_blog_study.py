"""The blog's set-up: every form on the same first steps of random episodes."""

import numpy as np
import pytest

from agents.config import EnvConfig
from agents.experiments.denoising.blog import BATCH, MENDED, PUBLISHED, TRUE, compare_forms
from agents.experiments.denoising.data import STEPS, gather_trajectories

PENDULUM = EnvConfig(id="Pendulum-v1")
COUNT = 960
BASELINES = ["corrupted input", "best constant"]
FORMS = [*BASELINES, PUBLISHED, MENDED, "encoder-decoder, scanned", "correction, scanned"]


@pytest.fixture(scope="module")
def compared():
    return compare_forms(PENDULUM, COUNT, 0)


def test_a_row_a_form_has_its_error_on_trajectories_that_were_not_learned_from(compared):
    rows, curves = compared
    assert [row["form"] for row in rows] == FORMS
    assert list(curves) == [TRUE, *FORMS]
    everything = gather_trajectories(PENDULUM, COUNT + len(curves[TRUE]), 0).observations
    np.testing.assert_array_equal(curves[TRUE], everything[COUNT:])
    for row in rows:
        restored = curves[row["form"]]
        assert restored.shape == (max(COUNT // 10, BATCH), STEPS, 3)
        assert row["mse"] == pytest.approx(np.mean((restored - curves[TRUE]) ** 2), rel=1e-5)
        spread = restored.std(axis=0).mean()
        assert row["spread_over_trajectories"] == pytest.approx(spread, rel=1e-5)


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
            if form in BASELINES:
                assert row[what] is ratio is None
            else:
                assert row[what] > 0
                assert ratio == pytest.approx(rows[PUBLISHED][what] / row[what])
    assert rows[PUBLISHED]["loss_as_reported"] == pytest.approx(rows[PUBLISHED]["mse"], rel=0.2)
    assert rows["correction, scanned"]["loss_as_reported"] is None
