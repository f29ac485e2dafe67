"""The commands of an agent: demo, train, evaluate, report, returns, compare."""

from pathlib import Path

from agents.commands.command import Command, Lines
from agents.config.benchmarks import ReturnsOptions, benchmark
from agents.config.commands import (
    EVALUATE,
    REPORT,
    TrainCommand,
    parse_evaluate,
    parse_report,
    parse_train,
    runnable,
    train_line,
    whole_number,
)
from agents.config.comparison_command import COMPARE, parse_compare
from agents.config.flags import Argument, CommandLine, declared
from agents.errors import EnvironmentFaultError, UnwritableError, UserError, shown


def _train(args: list[str]) -> int:
    command = parse_train(args)
    run_dir = None if isinstance(command, TrainCommand) else command.run_dir
    try:
        from agents.reporting.conclude import conclude  # imports JAX; checks come first
        from agents.training.session import begin, resume

        with (
            begin(command.config, command.run_dir, numbered=command.numbered)
            if isinstance(command, TrainCommand)
            else resume(command.run_dir, command.env_steps, command.from_step)
        ) as session:
            run_dir = session.run_dir
            session.train()
            conclude(session)
    except (KeyboardInterrupt, EnvironmentFaultError, UnwritableError) as error:
        if run_dir is not None:
            first = _FIRST.get(type(error), "")
            error.add_note(f"{first}continue with: {runnable('train', '--resume', run_dir)}")
        raise
    return 0


_FIRST = {EnvironmentFaultError: "mend it, then ", UnwritableError: "once it can be, "}
"""What is to be done before a run is continued, by what has ended it."""


def _evaluate(args: list[str]) -> int:
    command = parse_evaluate(args)
    from agents.reporting.conclude import evaluate_run  # imports JAX; checks come first

    evaluate_run(command.run_dir, command.episodes, command.seed, command.gif)
    return 0


def _report(args: list[str]) -> Lines:
    run_dir = parse_report(args)
    from agents.reporting.html import write_report  # draws, and bad input need not wait for that

    return [write_report(run_dir)]


def _returns(args: list[str]) -> Lines:
    options, found, out = _RETURNS.read(args)
    from agents.diagnostics import returns  # imports JAX; checks come first

    return returns.benchmark(found["run_dirs"], options, out, alphas=found["alphas"])


def _compare(args: list[str]) -> Lines:
    command = parse_compare(args)
    from agents.reporting import comparison  # imports JAX; checks come first

    return comparison.compare(command.name, command.groups, command.out)


_RETURNS = benchmark(
    "returns",
    """\
Measure planned against realised returns at several weights of a penalty: open loop from rebuilt
states, closed loop over the horizon, and in whole episodes; with intervals and figures.""",
    ReturnsOptions(),
    positional="RUN_DIR ...",
    switches={"alphas": "Also Boney et al.'s weights in this unit, on the first run's data"},
    out="RUN_DIR/returns-benchmark",
)


def _demo(args: list[str]) -> Lines:
    parsed = _DEMO.parse(args)
    if parsed.positionals:
        raise UserError(
            f"no word but options is allowed, not {', '.join(map(shown, parsed.positionals))}"
        )
    seed = whole_number(parsed, "seed", 0)
    out = Path(parsed.values.get(("out",), _FILM))
    if out.suffix != ".gif":
        raise UserError(f"--out: {shown(str(out))} is not allowed; give a name that ends in .gif")
    from agents.reporting.demo import fly  # imports JAX; checks come first

    return fly(_EPISODE if seed is None else seed, out)


_FILM, _EPISODE = "runs/demo.gif", 10_001
_DEMO = CommandLine(
    "demo",
    """\
Fly a trained lander that comes with the package, and film it with its plans drawn over it. It
learned from 10,000 steps of LunarLander-v3.""",
    (
        Argument("seed", declared(int, "Of the episode"), "INT", f"default: {_EPISODE}"),
        Argument("out", declared(Path, "The film"), "FILE.gif", f"default: {_FILM}"),
    ),
)

COMMANDS = (
    Command("Fly a trained lander that comes with the package", _DEMO, _demo, jax=True),
    Command(
        "Train an agent, and report it",
        train_line(),
        _train,
        jax=True,
        interrupted="nothing was saved",
    ),
    Command(
        "Evaluate a saved run again",
        EVALUATE,
        _evaluate,
        jax=True,
        interrupted="the run is as it was",
    ),
    Command("Write the report of a finished run again", REPORT, _report, jax=True),
    Command("Measure planned against realised returns", _RETURNS, _returns, jax=True),
    Command("Compare finished runs with each other and with random actions", COMPARE, _compare),
)
