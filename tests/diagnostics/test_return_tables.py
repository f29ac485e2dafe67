"""Tables of planned against realised returns, against numbers worked out by hand."""

import numpy as np
import pytest

from agents.diagnostics.return_pairs import Pair
from agents.diagnostics.return_tables import Tables

STEPS = np.arange(1, 4) / 3


def pair(episode: int, planned: float, bias: float, **changes) -> Pair:
    """A plan whose planned return is `bias` too high at its end, a third of it a step."""
    values = {
        "regularizer": "deen", "weight": 0.0, "comparison": "open loop", "run": "one",
        "episode": episode, "decision": 0, "planned": planned * STEPS,
        "realised": (planned - bias) * STEPS, "noise": 2.0, "penalty": bias, "ended": 0.0,
    }  # fmt: skip
    return Pair(**{**values, **changes})


BIAS = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 20.0]
HIGH = [pair(index, 10.0 * index, bias) for index, bias in enumerate(BIAS)]
LOW = [
    pair(index, 10.0 * index - 1.0, bias - 4.0, weight=2.0, penalty=-bias)
    for index, bias in enumerate(BIAS)
]


def with_interval(row, name):
    return [row[f"{name}{end}"] for end in ("", "_low", "_high")]


def test_a_summary_has_the_errors_of_planned_returns():
    high, low = Tables(HIGH + LOW, 200).summary()
    assert (high["regularizer"], high["weight"], high["comparison"]) == ("deen", 0.0, "open loop")
    assert high["count"] == 8
    assert high["bias"] == pytest.approx(6.0) == high["mae"]
    assert high["rmse"] == pytest.approx(np.sqrt(np.mean(np.square(BIAS))))
    assert high["bias_low"] < 6.0 < high["bias_high"]
    assert high["planned"] - high["realised"] == pytest.approx(6.0)
    assert high["noise_sd"] == 2.0
    planned = np.arange(8) * 10.0
    assert high["slope"] == pytest.approx(np.polyfit(planned, planned - BIAS, 1)[0])
    assert low["bias"] == pytest.approx(2.0)


def test_a_change_that_is_the_same_at_every_state_has_no_interval():
    high, low = Tables(HIGH + LOW, 200).summary()
    assert with_interval(high, "change_bias") == [0.0, 0.0, 0.0]
    assert with_interval(low, "change_bias") == pytest.approx([-4.0, -4.0, -4.0])
    assert with_interval(low, "change_realised") == pytest.approx([3.0, 3.0, 3.0])


def test_the_bias_grows_along_the_plan():
    rows = list(Tables(HIGH, 50).by_step())
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert [row["bias"] for row in rows] == pytest.approx([2.0, 4.0, 6.0])


def test_comparisons_are_never_mixed():
    episode = np.array([np.nan, np.nan, 200.0])
    others = [
        pair(0, 5.0, 100.0, comparison="closed loop"),
        pair(0, 30.0, 0.0, comparison="episode", realised=episode),
    ]
    tables = Tables([*others, *HIGH], 50)
    assert [(row["comparison"], row["count"], row["bias"]) for row in tables.summary()] == [
        ("open loop", 8, pytest.approx(6.0)),
        ("closed loop", 1, pytest.approx(100.0)),
        ("episode", 1, pytest.approx(-170.0)),
    ]
    assert {row["comparison"] for row in tables.by_step()} == {"open loop", "closed loop"}


@pytest.mark.parametrize(
    ("sign", "spearman", "auroc"), [(1.0, 1.0, 1.0), (-1.0, -1.0, 0.0), (0.0, np.nan, 0.5)]
)
def test_a_penalty_predicts_the_error_that_it_is_proportional_to(sign, spearman, auroc):
    pairs = [pair(index, 0.0, bias, penalty=sign * bias) for index, bias in enumerate(BIAS)]
    (row,) = Tables(pairs, 100).error_prediction()
    assert [row["spearman"], row["auroc"]] == pytest.approx([spearman, auroc], nan_ok=True)
    assert np.isnan([row["within"], row["planned_within"]]).all()  # there is one plan a state


def test_within_a_state_the_plans_of_all_weights_are_compared():
    (row,) = Tables(HIGH + LOW, 50).error_prediction()
    # At every state the plan without a penalty has the larger bias, and the larger penalty.
    assert row["within"] == 1.0
    # It has the larger planned return too, and the smaller realised one.
    assert row["planned_within"] == 0.0


def test_there_is_a_row_a_plan():
    rows = list(Tables(HIGH, 50).plans())
    assert [row["planned"] - row["realised"] for row in rows] == pytest.approx(BIAS)
    assert [row["episode"] for row in rows] == list(range(8))
