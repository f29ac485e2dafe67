"""The order of trials: which are tried again, what is said, and when a place is given up."""

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import pytest

from agents.errors import UserError
from agents.experiments.learning import scheduling
from agents.experiments.learning.places import Place
from agents.experiments.learning.scheduling import PlaceLost
from agents.experiments.learning.trials import Contender, Trial


def trials_in(tmp_path, *names):
    return [Trial(Contender("a", "random"), 0, tmp_path / name) for name in names]


def place_of(answers, usable=True):
    """Ends each attempt at a trial with the next of its answers; ... is none."""

    def submit(trial):
        future = Future()
        answer = answers[trial.name].pop(0)
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        elif answer is not ...:
            future.set_result(answer)
        return future

    return Place(2, submit, lambda: usable)


def test_failures_are_tried_again_and_refusals_are_not(tmp_path):
    lines: list[str] = []
    answers = {
        "good": [None],
        "late": [ValueError("no luck\nand no words"), BrokenProcessPool("abruptly"), None],
        "lost": [ValueError("no luck")] * 3,
        "refused": [UserError("no such world")],
    }
    failures = scheduling.run(
        trials_in(tmp_path, *answers), place_of(answers), retries=2, say=lines.append
    )
    assert failures == {"lost": "ValueError: no luck", "refused": "no such world"}
    assert not any(answers.values())  # every attempt was made
    assert [line for line in lines if line.startswith("late  retried")] == [
        "late  retried (1 of at most 2 times): ValueError: no luck",
        "late  retried (2 of at most 2 times): its worker process died",
    ]
    ends = [line for line in lines if "retried" not in line]
    assert {line.partition(" (")[0] for line in ends} == {
        "good  finished", "late  finished", "lost  failed: ValueError: no luck",
        "refused  failed: no such world",
    }  # fmt: skip
    for number, line in enumerate(ends, start=1):
        assert f"({number} of 4, 0:00" in line
        assert ("; about 0:00 left)" in line) == (number < 4)


@pytest.mark.parametrize("answer", [..., OSError("gone")])
def test_a_place_that_is_lost_ends_the_study(answer, tmp_path, monkeypatch):
    monkeypatch.setattr(scheduling, "_LOOK", 0.01)
    with pytest.raises(PlaceLost):
        scheduling.run(
            trials_in(tmp_path, "one"),
            place_of({"one": [answer]}, usable=False),
            retries=3,
            say=pytest.fail,
        )


def test_no_more_trials_are_started_than_a_place_has_slots(tmp_path, monkeypatch):
    monkeypatch.setattr(scheduling, "_LOOK", 0.01)
    answers = {name: [...] for name in ("one", "two", "three")}
    place = place_of(answers)
    looks = iter([True, False])
    with pytest.raises(PlaceLost):
        scheduling.run(
            trials_in(tmp_path, *answers),
            Place(2, place.submit, lambda: next(looks)),
            retries=0,
            say=pytest.fail,
        )
    assert answers == {"one": [], "two": [], "three": [...]}
