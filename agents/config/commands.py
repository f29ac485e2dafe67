"""The command lines of the agent: what may be asked for, and every reason to refuse.

Nothing here imports JAX or writes a file, so that help and refusals come at once and leave nothing
behind.
"""

import os
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.config.base import beyond_32_bits, flag, options
from agents.config.flags import PROGRAM, Argument, CommandLine, Parsed, called, declared
from agents.config.loading import CONFIG_FILE, load, load_run, override, refuse_no_run
from agents.config.presets import PRESETS, listing
from agents.config.schema import Config
from agents.errors import UserError, shown

# What a run leaves behind, any of which marks a directory as taken.
_TRACES = (CONFIG_FILE, "metrics.jsonl", "checkpoints")


@dataclass(frozen=True)
class TrainCommand:
    """Train from the beginning.

    Attributes:
      config: the whole resolved configuration.
      run_dir: holds no run yet; may not exist.
      numbered: whether a number is added to its name if it exists by the time that it is made.
    """

    config: Config
    run_dir: Path
    numbered: bool = False


@dataclass(frozen=True)
class ResumeCommand:
    """Continue a run.

    Attributes:
      run_dir: holds a run.
      env_steps: the new total of steps, at least the run's own; None keeps that.
      from_step: the checkpoint to continue from; None: the latest.
    """

    run_dir: Path
    env_steps: int | None
    from_step: int | None = None


@dataclass(frozen=True)
class EvaluateCommand:
    """Evaluate a saved run.

    Attributes:
      run_dir: holds a run.
      episodes: how many; None as in the run's configuration.
      seed: of the first episode; None as in the run's configuration.
      gif: write an animation, too.
    """

    run_dir: Path
    episodes: int | None
    seed: int | None
    gif: bool


_TRAIN_ARGUMENTS = (
    Argument("preset", declared(Path, "Where to start from"), "PRESET", positional=True),
    Argument("config", declared(Path, "YAML file, laid over the preset"), "FILE"),
    Argument("run_dir", declared(Path, "New directory"), "DIR", "default: runs/PRESET-seedK-TIME"),
    Argument("resume", declared(Path, "Continue this run, as it is configured"), "RUN_DIR"),
    Argument(
        "from_step",
        declared(int, "Checkpoint to resume from; what came after is dropped"),
        "INT",
        "default: the latest",
    ),
)

_EVALUATION_PATHS = {("episodes",): ("evaluation", "episodes"), ("seed",): ("evaluation", "seed")}

_REPORT_ARGUMENTS = (
    Argument("run_dir", declared(Path, "Directory of the run"), "RUN_DIR", positional=True),
)

_EVALUATE_ARGUMENTS = (
    *_REPORT_ARGUMENTS,
    *(
        Argument(name, options(Config)[path], "INT", "default: the run's own")
        for (name,), path in _EVALUATION_PATHS.items()
    ),
    Argument("gif", declared(bool, "Write an animation of the first episode")),
)


_TRAIN_TEXT = f"""\
Train an agent that learns a model of its environment and plans in it:
  {called("train")} PRESET [--config FILE.yaml] [--run-dir DIR] [options]
  {called("train")} --resume RUN_DIR [--env-steps N] [--from-step N]

Presets:
{listing()}

Options come from the preset, then the file, then the flags; a step is a simulator step.

The defaults shown are those of """


def train_line(example: str = "lunar-lander") -> CommandLine:
    """The command line of `train`; its help shows the options of the preset `example`."""
    return CommandLine("train", f"{_TRAIN_TEXT}{example}.", _TRAIN_ARGUMENTS, PRESETS[example])


EVALUATE = CommandLine(
    "evaluate",
    "Evaluate a saved run, planning with what it learned, in episodes that it did not learn from.",
    _EVALUATE_ARGUMENTS,
)
REPORT = CommandLine(
    "report",
    "Write the report of a finished run again, from what its directory holds.",
    _REPORT_ARGUMENTS,
)


def named_preset(args: Sequence[str]) -> str:
    """The preset that a command line names, whose options the help then shows."""
    return next((word for word in args if word in PRESETS), "lunar-lander")


def parse_train(args: Sequence[str]) -> TrainCommand | ResumeCommand:
    """Reads the command line of `train`.

    Args:
      args: the words after the command's name.

    Raises:
      UserError: whatever cannot be done as asked.
      SystemExit: help was asked for, and printed.
    """
    parsed = train_line(named_preset(args)).parse(args)
    if ("resume",) in parsed.values:
        return _resumed(parsed)
    if ("from_step",) in parsed.values:
        raise UserError("--from-step goes with --resume RUN_DIR only")
    if not parsed.positionals:
        names = ", ".join(PRESETS)
        raise UserError(f"a preset is missing; give one of: {names} (or --resume RUN_DIR)")
    preset = _only(parsed, "preset")
    file, run_dir = (parsed.values.get((name,)) for name in ("config", "run_dir"))
    config = load(preset, None if file is None else Path(file), parsed.given(Config))
    if run_dir is None:
        return TrainCommand(config, default_directory(preset, config), True)
    return TrainCommand(config, _free_directory(run_dir))


def default_directory(preset: str, config: Config) -> Path:
    """Where a run goes, unless it is said; a number is added if it exists."""
    return Path(f"runs/{preset}-seed{config.seed}-{time.strftime('%Y%m%d-%H%M%S')}")


def parse_evaluate(args: Sequence[str]) -> EvaluateCommand:
    """Reads the command line of `evaluate`.

    Args:
      args: the words after the command's name.

    Raises:
      UserError: whatever cannot be done as asked.
      SystemExit: help was asked for, and printed.
    """
    parsed = EVALUATE.parse(args)
    run_dir = saved_run(parsed)
    values = parsed.values
    override(  # refuses what a configuration would
        load_run(run_dir),
        {option: values[path] for path, option in _EVALUATION_PATHS.items() if path in values},
        {option: flag(path) for path, option in _EVALUATION_PATHS.items()},
    )
    episodes, seed = (values.get(path) for path in _EVALUATION_PATHS)
    return EvaluateCommand(run_dir, episodes, seed, gif=values[("gif",)])


def parse_report(args: Sequence[str]) -> Path:
    """Reads the command line of `report`: the directory of a saved run.

    Raises:
      UserError: whatever cannot be done as asked.
      SystemExit: help was asked for, and printed.
    """
    return saved_run(REPORT.parse(args))


def runnable(*words: str | Path) -> str:
    """A command as it can be typed here: of this interpreter's installation, from this directory.

    After `make train` the shell may not find the program, or find another one.
    """
    here = Path.cwd()
    program = Path(sys.executable).with_name(PROGRAM)
    python = (sys.executable, "-m", "agents")
    first, *rest = (program,) if program.exists() else python
    first = Path(first)
    typed = first.relative_to(here) if first.is_relative_to(here) else first
    return shlex.join(map(str, [typed, *rest, *words]))


def _resumed(parsed: Parsed) -> ResumeCommand:
    if parsed.positionals:
        raise UserError(
            f"--resume takes no preset, but {shown(parsed.positionals[0])} is given; the run"
            " keeps its own configuration"
        )
    for path in parsed.values:
        if path not in (("resume",), ("env_steps",), ("from_step",)):
            raise UserError(
                f"--resume and {flag(path)} do not go together; only --env-steps may be changed"
            )
    run_dir = existing_run(parsed.values[("resume",)])
    config = load_run(run_dir)
    if config.data and ("env_steps",) in parsed.values:
        raise UserError(f"--env-steps: {shown(run_dir.name)} learns from data, and does not act")
    steps = override(config, parsed.given(Config)).env_steps
    if steps < config.env_steps:
        raise UserError(
            f"--env-steps: {steps} is less than the run's own {config.env_steps}; it may only be"
            " raised"
        )
    return ResumeCommand(
        run_dir, parsed.values.get(("env_steps",)), whole_number(parsed, "from_step", 0)
    )


def whole_number(parsed: Parsed, name: str, least: int) -> int | None:
    """A number that is an argument of a script's own; None where it is not given.

    Raises:
      UserError: it is no integer, less than `least`, or needs more than 32 bits.
    """
    value = parsed.values.get((name,))
    if value is not None and (type(value) is not int or value < least):
        raise UserError(
            f"{flag((name,))}: {shown(value)} is not allowed; give an integer >= {least}"
        )
    if limit := beyond_32_bits(value):
        raise UserError(f"{flag((name,))}: {shown(value)} is not allowed; give {limit}")
    return value


def _only(parsed: Parsed, what: str) -> str:
    first, *others = parsed.positionals
    if others:
        words = ", ".join(map(shown, parsed.positionals))
        raise UserError(f"one {what} is allowed, not {len(parsed.positionals)}: {words}")
    return first


def saved_run(parsed: Parsed) -> Path:
    """The directory of a saved run that was given by place."""
    if not parsed.positionals:
        raise UserError("a run directory is missing; give the RUN_DIR of a saved run")
    return existing_run(_only(parsed, "run directory"))


def existing_run(name: str) -> Path:
    """The directory of a saved run.

    Raises:
      UserError: it holds none.
    """
    refuse_no_run(name)
    return Path(name)


def _free_directory(name: str) -> Path:
    """A directory that holds no run and can be written to."""
    path = Path(name)
    refusal = f"--run-dir: {shown(name)}"
    try:
        refuse_taken(path)
        existing = next(each for each in (path, *path.absolute().parents) if os.path.lexists(each))
    except OSError as error:
        raise UserError(f"{refusal} cannot be used ({error.strerror}); give another") from None
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        problem = "cannot be written to" if existing.is_dir() else "is not a directory"
        raise UserError(f"{refusal} is not allowed, since {shown(str(existing))} {problem}")
    return path


def refuse_taken(path: Path) -> None:
    """Refuses a directory that holds a run.

    Raises:
      UserError: it does.
    """
    for trace in _TRACES:
        if (path / trace).exists():
            raise UserError(
                f"--run-dir: {shown(str(path))} already holds a run ({trace}); continue it by"
                " --resume, or give another --run-dir"
            )
