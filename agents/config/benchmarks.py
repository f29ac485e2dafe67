"""The options of the benchmarks and their command lines.

Nothing here imports JAX, so that help and refusals come at once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from agents.config.base import Count, OptionPath, Options
from agents.config.flags import Argument, CommandLine, declared
from agents.config.loading import override, refuse_no_run
from agents.config.regularizer_schema import RegularizerName, RnnDaeConfig
from agents.config.schema import EnvConfig
from agents.errors import UserError, shown


class SpeedOptions(Options):
    """How plans are timed."""

    rounds: int = Field(default=7, ge=1, description="Turns of each planner")
    plans: int = Field(default=3, ge=1, description="Plans a turn, of which the median counts")
    environments: int = Field(default=32, ge=1, description="Size of the batch that is timed too")


class StudyOptions(Options):
    """How planners are compared on a frozen model."""

    seeds: int = Field(default=5, ge=1, description="Seeds of each planner's randomness")
    episodes: int = Field(default=4, ge=1, description="That the states come from")
    decisions: int = Field(
        default=15, ge=1, description="First decisions of each episode that count"
    )
    acted: int = Field(default=2, ge=1, description="Episodes acted in, per seed")


class DetectionOptions(Options):
    """How penalties are tested for finding rollouts that went wrong."""

    ages: tuple[Count, ...] = Field(
        default=(3_000, 6_000, 12_000), min_length=1, strict=False, description="Steps learned from"
    )
    episodes: int = Field(default=24, ge=1, description="That the states come from")
    states: int = Field(default=10, ge=2, description="Of each episode")
    plans: int = Field(default=4, ge=2, description="At each state, the agent's own included")


BLOG_BATCH = 32
"""Trajectories in a minibatch of the blog's set-up."""

_CORRUPTION = r"^(additive|multiplicative|masking|salt-and-pepper):(\d+(\.\d*)?|\.\d+)$"


class DenoiseOptions(Options):
    """The blog's experiment: what a denoiser restores, and what its error distinguishes."""

    env: EnvConfig = EnvConfig(id="LunarLander-v3")
    corruption: tuple[Annotated[str, Field(pattern=_CORRUPTION)], ...] = Field(
        default=("multiplicative:0.2", "additive:0.1", "additive:0.3"),
        min_length=1,
        strict=False,
        examples=["additive:0.1", "multiplicative:0.2", "masking:0.2", "salt-and-pepper:0.2"],
        description="Each by itself; with its standard deviation, or the share of the numbers",
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="The first")
    seeds: int = Field(default=1, ge=1, description="One after the other")
    episodes: int = Field(default=400, ge=20, description="Of random actions, per seed")
    length: int = Field(default=20, ge=1, description="Decisions a window")
    updates: int = Field(default=4_000, ge=1, description="Minibatches learned from")
    batch_size: int = Field(default=128, ge=1, description="Windows a minibatch")
    learning_rate: float = Field(default=3e-3, gt=0, description="First, falling as a cosine")
    rnn_dae: RnnDaeConfig = RnnDaeConfig()
    trajectories: int = Field(
        default=10_000, ge=0, description="Of the blog's set-up; 0 leaves it out"
    )

    def conflicts(self) -> Iterable[str]:
        """Strengths are possible, and the blog's trajectories fill a minibatch."""
        for text in self.corruption:
            name, _, strength = text.partition(":")
            share = name in ("masking", "salt-and-pepper")
            if not float(strength) > 0 or (share and float(strength) >= 1):
                allowed = "a share > 0 and < 1" if share else "a standard deviation > 0"
                yield f"--corruption: {text!r} is not allowed; give {allowed}"
        if 0 < self.trajectories < BLOG_BATCH:
            yield (
                f"--trajectories: {self.trajectories} is not allowed; give 0, or {BLOG_BATCH} or"
                " more, a minibatch of the blog's"
            )


class ReturnsOptions(Options):
    """How planned and realised returns are compared."""

    weights: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        default=(0.0, 1.0, 3.0, 10.0, 30.0, 100.0),
        min_length=1,
        strict=False,
        description="Of the penalty; 0 is always among them",
    )
    regularizers: tuple[RegularizerName, ...] = Field(
        default=(), strict=False, description="Default: the run's own, rnn-dae where it has none"
    )
    planner: str = Field(
        default="",
        pattern=r"^((icem|cem|mppi|gradient):[1-9]\d{0,5}x[1-9]\d{0,5}|random-shooting:[1-9]\d{0,5})?$",
        examples=["cem:400x5", "gradient:8x50"],
        description="Search, with its candidates x rounds (gradient: starts x steps); empty: the"
        " run's own",
    )
    checkpoint: int = Field(default=0, ge=0, description="Age of the run in steps; 0: at its end")
    states: int = Field(default=60, ge=1, description="Where plans are made, over all episodes")
    episodes: int = Field(default=10, ge=1, description="That the states come from")
    states_weight: float = Field(
        default=0.0, ge=0, description="Of the penalty, in the episodes that the states come from"
    )
    continuations: int = Field(default=2, ge=1, description="Reseeded executions of each plan")
    closed: int = Field(default=20, ge=0, description="States to replan from; 0: none")
    acted: int = Field(default=4, ge=0, description="Whole episodes per weight; 0: none")
    resamples: int = Field(default=1_000, ge=20, description="Of the bootstrap")
    dynamics: str = Field(
        default="",
        pattern=r"^([\w.]+:\w+)?$",
        examples=["my_package.dynamics:hopper"],
        description="module:attribute of the equations; empty: environment's own, if known",
    )

    def search(self) -> dict[OptionPath, Any]:
        """The options of a run that `planner` changes."""
        if not self.planner:
            return {}
        name, _, size = self.planner.partition(":")
        numbers = [int(each) for each in size.split("x")]
        places = {"gradient": (("gradient", "starts"), ("gradient", "steps"))}.get(
            name, (("population",), ("iterations",))
        )
        sizes = dict(zip(places, numbers, strict=False))
        return {("planner", "name"): name} | {("planner", *at): n for at, n in sizes.items()}


@dataclass(frozen=True)
class Benchmark(CommandLine):
    """The command line of a benchmark: its options are `defaults`, and it writes files.

    Attributes:
      out: directory of the results unless another is given; within RUN_DIR if it begins with that,
        which needs there to be one.
    """

    out: str = ""

    def read(self, args: Sequence[str]) -> tuple[Any, dict[str, Any], Path]:
        """Reads the command line.

        Args:
          args: the words after the command's name.

        Returns:
          The options; the switches and what was given by place (`run_dirs`) by name; the directory
          of the results.

        Raises:
          UserError: whatever cannot be done as asked.
          SystemExit: help was asked for, and printed.
        """
        parsed = self.parse(args)
        words = parsed.positionals
        positional = "".join(each.metavar for each in self.arguments if each.positional)
        several = positional.endswith("...")
        if len(words) != bool(positional) and not (several and words):
            least = "at least one" if several else "one"
            what = f"{least} {positional.split()[0]}" if positional else "no word but options"
            raise UserError(f"{what} is allowed, not {', '.join(map(shown, words)) or 'none'}")
        found: dict[str, Any] = {
            each.name: parsed.values[(each.name,)]
            for each in self.arguments
            if each.field.annotation is bool
        }
        if positional:
            found["run_dirs"] = [Path(word) for word in words]
        out = self.out
        if ("out",) not in parsed.values and out.startswith("RUN_DIR"):
            if len(words) > 1:
                raise UserError(
                    f"the results of {len(words)} runs belong to none of them; give --out"
                )
            out = out.replace("RUN_DIR", words[0])
        options = override(self.defaults, parsed.given(type(self.defaults)))
        for run_dir in found.get("run_dirs", ()):
            refuse_no_run(str(run_dir))
        return options, found, Path(parsed.values.get(("out",), out))


def benchmark(
    name: str,
    text: str,
    defaults: Options,
    *,
    out: str,
    positional: str = "",
    switches: dict[str, str] | None = None,
) -> Benchmark:
    """The command line of a benchmark.

    Args:
      name: of the command.
      text: the description, for the help.
      defaults: the options.
      out: see `Benchmark`.
      positional: what must be given by place, if anything (`RUN_DIR`, or `RUN_DIR ...` where there
        may be several).
      switches: flags without a value, with their descriptions.
    """
    runs = Argument("run_dirs", declared(Path, "Of a finished run"), positional, positional=True)
    arguments = (
        *([runs] if positional else ()),
        *(Argument(name, declared(bool, about)) for name, about in (switches or {}).items()),
        Argument("out", declared(Path, "Directory of the files"), "DIR", f"default: {out}"),
    )
    return Benchmark(name, text, arguments, defaults, out)
