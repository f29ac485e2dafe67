"""The commands that train many agents: sweep, learning, draw-learning, boney, logged."""

import re
from pathlib import Path

from agents.commands.command import Command, Lines
from agents.config.flags import Argument, CommandLine, declared
from agents.devices import prepare
from agents.errors import UserError, shown
from agents.experiments.learning.options import LEARNING, parse_learning
from agents.experiments.learning.run import detach, run_study
from agents.experiments.learning.sweep import parse_sweep, sweep_line
from agents.experiments.learning.trials import Study
from agents.experiments.logged.options import LOGGED, parse_logged
from agents.experiments.reproduction.options import BONEY, parse_reproduction


def _sweep(args: list[str]) -> int:
    return run_study(*parse_sweep(args))


def _in_background(study: Study, name: str, args: list[str]) -> int:
    pid = detach(study, name, args)
    print(f"runs in the background as process {pid}; see {study.out / 'output.txt'}")
    return 0


def _learning(args: list[str]) -> int:
    study, options, background = parse_learning(args)
    return _in_background(study, "learning", args) if background else run_study(study, options)


def _draw_learning(args: list[str]) -> Lines:
    parsed = _DRAW_LEARNING.parse(args)
    places = parsed.positionals or ["runs/learning"]
    if len(places) > 1:
        raise UserError(f"one directory is allowed, not {', '.join(map(shown, places))}")
    name = parsed.values.get(("name",), "learning")
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise UserError(
            f"--name: {shown(name)} is not allowed; give letters, digits, `.`, `-`, `_`"
        )
    out = parsed.values.get(("out",), places[0])
    from agents.experiments.learning import results  # imports JAX: after the input is checked

    return results.draw(Path(places[0]), name, Path(out))


def _boney(args: list[str]) -> Lines | int:
    asked = parse_reproduction(args)
    study = asked.study
    if asked.background:
        return _in_background(study, "boney", args)
    if asked.open_loop:
        prepare()
        from agents.experiments.reproduction.open_loop import measure_open_loop

        return measure_open_loop([trial.run_dir for trial in study.trials], study.out)
    status = run_study(study, asked.options)
    from agents.experiments.reproduction.results import write_results  # brings JAX, after Ray

    for line in write_results(study.out):
        print(line, flush=True)
    return status


def _logged(args: list[str]) -> Lines:
    study = parse_logged(args)
    from agents.experiments.logged.results import write_results  # brings JAX, after bad input
    from agents.experiments.logged.study import carry_out

    yield from carry_out(study)
    yield from write_results(study.out)


_DRAW_LEARNING = CommandLine(
    "draw-learning",
    """\
Draw the results of `learning` so far: tables over seeds, curves with 95 % intervals, and the steps
to solve the task.""",
    (
        Argument(
            "benchmark",
            declared(Path, "Of the benchmark (default: runs/learning)"),
            "DIR",
            positional=True,
        ),
        Argument("name", declared(Path, "Name of the files"), "NAME", "default: learning"),
        Argument(
            "out", declared(Path, "Directory of the files"), "DIR", "default: the benchmark's"
        ),
    ),
)

COMMANDS = (
    Command("Train every regulariser with every weight and seed", sweep_line(), _sweep),
    Command("Learning curves, beside SAC, CrossQ and fixed policies", LEARNING, _learning),
    Command("Draw the results of `learning`, finished or not", _DRAW_LEARNING, _draw_learning),
    Command("The tasks of Boney et al. (2019), with and without a penalty", BONEY, _boney),
    Command(
        "Learn from logged data with and without a penalty",
        LOGGED,
        _logged,
        jax=True,
        interrupted="the same command resumes the study",
    ),
)
