"""Tables of promises against numbers worked out by hand."""

import numpy as np
import pytest

from agents.diagnostics.planned_realised import Pair
from agents.diagnostics.return_tables import Tables, verdicts

HORIZON = 3


def promise(episode: int, planned: float, gap: float, **changes) -> Pair:
    """One that is `gap` too high at its end, a third of it a step."""
    steps = np.arange(1, HORIZON + 1) / HORIZON
    values = {
        "regularizer": "deen", "weight": 0.0, "comparison": "open loop", "run": "one",
        "episode": episode, "decision": 0, "planned": planned * steps,
        "realised": (planned - gap) * steps, "noise": 2.0, "penalty": gap, "ended": 0.0,
    }  # fmt: skip
    return Pair(**{**values, **changes})


GAPS = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 20.0]
HIGH = [promise(index, 10.0 * index, gap) for index, gap in enumerate(GAPS)]
LOW = [
    promise(index, 10.0 * index - 1.0, gap - 4.0, weight=2.0, penalty=-gap)
    for index, gap in enumerate(GAPS)
]


def test_a_row_says_how_far_promises_are_from_outcomes():
    high, low = Tables(HIGH + LOW, 200).summary()
    assert (high["regularizer"], high["weight"], high["comparison"]) == ("deen", 0.0, "open loop")
    assert high["count"] == 8
    assert high["bias"] == pytest.approx(6.0) == high["mae"]
    assert high["rmse"] == pytest.approx(np.sqrt(np.mean(np.square(GAPS))))
    assert high["bias_low"] < 6.0 < high["bias_high"]
    assert high["planned"] - high["realised"] == pytest.approx(6.0)
    assert high["noise_sd"] == 2.0
    planned = np.arange(8) * 10.0
    slope = np.polyfit(planned, planned - GAPS, 1)[0]
    assert high["slope"] == pytest.approx(slope)
    assert low["bias"] == pytest.approx(2.0)


def test_changes_are_within_a_state_so_that_what_is_the_same_everywhere_has_no_interval():
    high, low = Tables(HIGH + LOW, 200).summary()
    assert [high[f"change_bias{end}"] for end in ("", "_low", "_high")] == [0.0, 0.0, 0.0]
    changes = [low[f"change_bias{end}"] for end in ("", "_low", "_high")]
    assert changes == pytest.approx([-4.0, -4.0, -4.0])
    changes = [low[f"change_realised{end}"] for end in ("", "_low", "_high")]
    assert changes == pytest.approx([3.0, 3.0, 3.0])


def test_by_step_the_gap_grows_as_it_was_made_to():
    rows = list(Tables(HIGH, 50).by_step())
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert [row["bias"] for row in rows] == pytest.approx([2.0, 4.0, 6.0])


def test_comparisons_are_never_mixed():
    other = promise(0, 5.0, 100.0, comparison="closed loop")
    rows = list(Tables([*HIGH, other], 50).summary())
    assert [(row["comparison"], row["count"]) for row in rows] == [
        ("open loop", 8), ("closed loop", 1),
    ]  # fmt: skip
    assert rows[0]["bias"] == pytest.approx(6.0)
    assert rows[1]["bias"] == pytest.approx(100.0)


def test_an_episode_has_a_row_and_no_steps():
    realised = np.array([np.nan, np.nan, 200.0])
    played = promise(0, 30.0, 0.0, comparison="episode", realised=realised)
    (row,) = Tables([played], 50).summary()
    assert row["bias"] == pytest.approx(-170.0)
    assert list(Tables([played], 50).by_step()) == []


def test_a_penalty_that_is_the_gap_foretells_it_and_its_opposite_misleads():
    (row,) = Tables(HIGH, 100).foretells()
    assert (row["spearman"], row["auroc"]) == (pytest.approx(1.0), pytest.approx(1.0))
    assert np.isnan(row["within"])  # there is one plan a state
    opposite = [promise(index, 0.0, gap, penalty=-gap) for index, gap in enumerate(GAPS)]
    (row,) = Tables(opposite, 100).foretells()
    assert (row["spearman"], row["auroc"]) == (pytest.approx(-1.0), pytest.approx(0.0))


def test_within_a_state_the_plans_of_all_weights_are_compared():
    (row,) = Tables(HIGH + LOW, 50).foretells()
    # At every state the plan without a penalty over-promises more, and costs more.
    assert row["within"] == 1.0
    # And it promises more, and brings less.
    assert row["planned_within"] == 0.0


def test_a_penalty_that_never_varies_foretells_nothing():
    flat = [promise(index, 0.0, gap, penalty=0.0) for index, gap in enumerate(GAPS)]
    (row,) = Tables(flat, 50).foretells()
    assert np.isnan(row["spearman"])
    assert row["auroc"] == 0.5


def test_pairs_are_the_plans():
    rows = list(Tables(HIGH, 50).pairs())
    assert [row["planned"] - row["realised"] for row in rows] == pytest.approx(GAPS)
    assert [row["episode"] for row in rows] == list(range(8))


def test_a_sentence_names_the_first_weight_that_halves_the_bias_and_costs_nothing():
    (said,) = verdicts(list(Tables(HIGH + LOW, 50).summary()))
    assert said.startswith("deen: without a penalty plans promise +6.0 [")
    assert "from weight 2 on +2.0 [" in said
    assert "bring +3.0 [3.0, 3.0]" in said


def test_a_sentence_does_not_praise_honesty_that_costs_return():
    dear = [
        promise(index, 10.0 * index - 20.0, gap - 4.0, weight=2.0)
        for index, gap in enumerate(GAPS)
    ]  # fmt: skip
    (said,) = verdicts(list(Tables(HIGH + dear, 50).summary()))
    assert "no weight halves that and brings no less" in said
    assert "at weight 2, is +2.0" in said
    assert "bring -16.0" in said


def test_a_sentence_of_no_penalty_alone():
    (said,) = verdicts(list(Tables(HIGH, 50).summary()))
    assert said.endswith("too much")
