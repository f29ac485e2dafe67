"""The page of the detection study says what its table says."""

import csv
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[3] / "scripts" / "results" / "detection"
COLUMNS = ("within", "within_equal", "planned", "replayed")


def test_the_table_of_the_page_agrees_with_the_summary():
    text = (PAGE / "detection-summary.csv").read_text(encoding="utf-8")
    found = {(row["penalty"], row["env_steps"]): row for row in csv.DictReader(text.splitlines())}
    page = (PAGE / "README.md").read_text(encoding="utf-8")
    table = page[: page.index("\n## ")]
    lines = re.findall(r"^\| `?([a-z][a-z -]+?)`? \|(.*)\|$", table, re.MULTILINE)
    assert {name for name, _ in lines} >= {"rnn-dae", "constant per decision", "best start number"}
    for name, cells in lines:
        ages = list(dict.fromkeys(age for _, age in found))
        for column, cell in zip(COLUMNS, cells.split("|"), strict=True):
            said = [float(value) for value in re.findall(r"(?<![\w-])\.\d\d", cell)][: len(ages)]
            expected = [float(found[name, age][column]) for age in ages]
            assert said == pytest.approx(expected, abs=0.00501), (name, column)
