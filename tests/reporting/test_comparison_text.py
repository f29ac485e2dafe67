"""The text of a comparison, to the letter."""

import math

from agents.reporting.comparison_text import markdown_table, over_seeds

ROW = {
    "label": "weight 1",
    "seed": 0,
    "mean": 10.0,
    "sd": 2.25,
    "iqm": 11.04,
    "iqm_ci95_low": -1.0,
    "iqm_ci95_high": 20.0,
    "share_solved": 0.254,
    "planned": 40.0,
    "realised": 30.0,
    "penalty": 0.126,
    "regularizer_mse": 0.02,
    "regularizer_copy_mse": 0.04,
}
OTHER = ROW | {"seed": 1, "mean": 20.0, "iqm": 21.0, "planned": 50.0, "share_solved": 0.5}
NOTHING = dict.fromkeys(ROW) | {"label": "random", "mean": -3.0, "sd": math.nan, "iqm": -3.0}


def test_markdown_table():
    heading, rule, *body = markdown_table([ROW, NOTHING | {"label": "a|b\\c"}])
    assert heading == (
        "| label | seed | mean ± sd | IQM [95% interval] | solved | planned → realised | penalty"
        " | denoising / copying mse |"
    )
    assert rule.count("|") == heading.count("|")
    assert body == [
        "| weight 1 | 0 | 10.0 ± 2.25 | 11.0 [-1.00, 20.0] | 25% | 40.0 → 30.0 | 0.13"
        " | 0.0200 / 0.0400 |",
        "| a\\|b\\\\c | n/a | -3.00 ± n/a | -3.00 | n/a | n/a | n/a | n/a |",
    ]


def test_a_line_for_each_label():
    alone = ROW | {"label": "alone", "share_solved": None, "penalty": math.nan}
    assert over_seeds([ROW, alone, OTHER]) == [
        "- weight 1, 2 seeds: mean 15.0 (from 10.0 to 20.0), IQM 16.0, solved 38%,"
        " planned 45.0 → realised 30.0, penalty 0.13",
        "- alone, 1 seed: mean 10.0, IQM 11.0, solved n/a,"
        " planned 40.0 → realised 30.0, penalty n/a",
    ]
