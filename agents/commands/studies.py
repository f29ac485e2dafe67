"""The commands of the studies of parts: planners, speed, denoising, detection."""

import os

from agents.commands.command import Command, Lines
from agents.config.benchmarks import (
    DenoiseOptions,
    DetectionOptions,
    SpeedOptions,
    StudyOptions,
    benchmark,
)
from agents.devices import prepare


def _planners(args: list[str]) -> Lines:
    options, found, out = _PLANNERS.read(args)
    from agents.experiments.planners import study  # imports JAX; checks come first

    return study.compare_planners(found["run_dirs"][0], options, out)


def _speed(args: list[str]) -> Lines:
    options, switches, out = _SPEED.read(args)
    from agents.experiments.planners import speed

    return speed.benchmark(options, out, **switches)


def _denoising(args: list[str]) -> Lines:
    options, _, out = _DENOISING.read(args)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = ""  # the time to compile is one of its results
    prepare()
    from agents.experiments.denoising import study  # imports JAX; checks come first

    return study.run_study(options, out)


def _detection(args: list[str]) -> Lines:
    options, found, out = _DETECTION.read(args)
    from agents.experiments.detection import study  # imports JAX; checks come first

    return study.detect(found["run_dirs"], options, out)


_PLANNERS = benchmark(
    "planners",
    """\
Compare planners on the frozen model of a run: the score of their plans and the realised return of
their episodes, against the evaluations of the model that a plan costs.""",
    StudyOptions(),
    out="runs/planners",
    positional="RUN_DIR",
)

_SPEED = benchmark(
    "speed",
    """\
Time plans against the rate of one large matrix product and, with --peers, against other libraries.
Workload A is 5 members of 4x200 with 500 candidates, B 5 of 2x64 with 100; both with a horizon of
20, 5 iterations and TS-infinity. The processes take turns; keep the machine idle.""",
    SpeedOptions(),
    out="runs/speed",
    switches={
        "peers": "Also mbrl-lib and pytorch-mppi, installed into .venv-peers",
        "sizes": "Also many sizes of both, for the figure",
    },
)

_DENOISING = benchmark(
    "denoising",
    """\
Fit the default denoising autoencoder to windows of random episodes, and compare it with the best
constant, a linear map, and the network of a blog post with its mistaken loss.""",
    DenoiseOptions(),
    out="runs/denoising",
)

_DETECTION = benchmark(
    "detection",
    """\
Test whether each regulariser's penalty is larger for rollouts that went wrong (error in the worst
quarter), at several ages of one run or more. Train the runs with --regularizer.name none
--keep-checkpoints 20.""",
    DetectionOptions(),
    out="runs/detection",
    positional="RUN_DIR ...",
)

COMMANDS = (
    Command("Which planner is worth its cost?", _PLANNERS, _planners, jax=True),
    Command("How fast is a plan, beside other libraries'?", _SPEED, _speed),
    Command("Does a denoiser denoise?", _DENOISING, _denoising),
    Command("Does a penalty detect the model's errors?", _DETECTION, _detection, jax=True),
)
