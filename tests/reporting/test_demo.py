"""The lander that comes with the package, and the command that flies it."""

import numpy as np
import pytest
from running import run_program

import agents
from agents.reporting import demo
from agents.reporting.film import animate
from agents.training.evaluation import EpisodeResult


def test_the_lander_is_small_and_acts_without_its_run():
    assert demo.LANDER.stat().st_size < 2**20
    policy = agents.load(demo.LANDER)
    assert policy.config.env.id == "LunarLander-v3"
    assert policy.config.env_steps == 10_000
    action = policy.act(np.zeros(8))
    assert policy.action_space.contains(action)


def test_it_is_filmed_and_its_result_is_said(tmp_path, monkeypatch, capsys):
    filmed = []

    def stand_in(policy, seed, path):
        filmed.append((policy.spec.id, seed, path))
        return EpisodeResult(seed, 264.1, 634, "terminated", 1.0, 0.5, 2.0)

    assert demo.animate is animate
    monkeypatch.setattr(demo, "animate", stand_in)
    out = tmp_path / "new" / "film.gif"
    assert run_program("demo", ["--seed", "7", "--out", str(out)]) == 0
    assert filmed == [("LunarLander-v3", 7, out)]
    said = capsys.readouterr().out
    assert "return 264.1 in 634 steps" in said
    assert str(out) in said
    assert out.parent.is_dir()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--out film.mp4", "--out: 'film.mp4' is not allowed; give a name that ends in .gif"),
        ("--seed -1", "--seed: -1 is not allowed; give an integer >= 0"),
        ("--seed x", "--seed: 'x' is not allowed"),
        ("lander", "no word but options is allowed, not 'lander'"),
    ],
)
def test_what_it_does_not_take_is_refused(line, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_program("demo", line.split()) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
