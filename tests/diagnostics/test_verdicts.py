"""Sentences on a penalty: what planned returns are without it and with it."""

import pytest

from agents.diagnostics.verdicts import verdicts


def row(weight: float, bias: float, realised: float = 0.0, spread: float = 1.0, **changes):
    """A weight's bias, and its changes from weight 0, where the bias is 10; same half-widths."""
    numbers = {"bias": bias, "change_bias": bias - 10.0, "change_realised": realised}
    ends = {"low": -spread, "high": spread}
    numbers |= {
        f"{key}_{end}": value + by for key, value in numbers.items() for end, by in ends.items()
    }
    about = {"regularizer": "deen", "weight": weight, "comparison": "open loop", "count": 6}
    return {**about, **numbers, **changes}


def verdict(*rows, own: float = 0.5) -> str:
    document = {"about": {"regularizer": "deen", "weight": own}, "summary": rows}
    return verdicts(document)["deen"]


WITHOUT = row(0.0, 10.0)


def test_it_names_the_first_weight_that_halves_the_bias_and_costs_nothing():
    text = verdict(WITHOUT, row(1.0, 8.0), row(2.0, 4.0, 3.0), row(4.0, 1.0, 3.0))
    assert text == (
        "Without a penalty, planned returns are 10.0 [9.00, 11.0] higher than realised ones. At"
        " weight 2 they are 4.00 [3.00, 5.00] higher than realised ones, and the realised return is"
        " 3.00 [2.00, 4.00] higher than that without a penalty."
    )


def test_where_none_does_it_names_the_smallest_bias_and_the_runs_own_weight():
    text = verdict(WITHOUT, row(0.5, 12.0), row(2.0, -4.0, -3.0))
    assert (
        "At weight 0.5, the run's own, they are 12.0 [11.0, 13.0] higher than realised ones" in text
    )
    assert "not clearly different from that without a penalty (0 [-1.00, 1.00])" in text
    assert "At weight 2 they are 4.00 [3.00, 5.00] lower than realised ones" in text
    assert text.endswith("No weight halves the difference without a loss of realised return.")


def test_intervals_that_all_include_0_are_inconclusive():
    text = verdict(WITHOUT, row(0.5, 9.0, spread=20.0), row(2.0, 4.0, 3.0, spread=20.0))
    assert text.endswith(
        "Inconclusive: with 6 plans a weight, no change of planned or realised returns is proven at"
        " weight 0.5 and 2; try --states 60."
    )


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_number_that_does_not_exist_is_not_available(missing):
    gone = dict.fromkeys([key for key in WITHOUT if key.startswith("bias")], missing)
    text = verdict(WITHOUT | gone)
    assert text == (
        "Without a penalty, planned returns are not clearly different from realised ones (n/a)."
    )
