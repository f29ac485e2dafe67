"""How fast a plan is made: this project, its peers and the processor's limit, in one run.

Each contender is a process of its own (`scripts/contenders`), given the same networks and the same
number of model evaluations. They take turns, so that whatever else the machine does falls on all of
them, and are compared round by round.
"""

from __future__ import annotations

import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents import devices
from agents.analysis.provenance import commit
from agents.analysis.tables import Row, write_csv, writing
from agents.config.benchmarks import SpeedOptions
from agents.errors import UserError
from agents.experiments.planners.figures import plot_speed

CONTENDERS = Path(__file__).resolve().parents[3] / "scripts" / "contenders"
CEILING = "matrix_product"
PEERS: tuple[str, ...] = ("mbrl_lib", "pytorch_mppi")
OURS, JUDGED = "ours", "ours rnn-dae"
"""This project without a penalty, and with that of the default denoising autoencoder."""

_OBSERVATION, _ACTION, _MEMBERS, _HORIZON, _ITERATIONS = 8, 2, 5, 20, 5
_TOLERANCE = 2e-5  # of single precision, between libraries that sum in other orders


@dataclass(frozen=True)
class Workload:
    """What is planned for.

    Attributes:
      name: in the tables.
      hidden: units a layer.
      population: candidate plans an iteration, of which a tenth are elites.
    """

    name: str
    hidden: tuple[int, ...]
    population: int

    @property
    def flops(self) -> int:
        """Multiplications and additions of the matrix products in one plan."""
        sizes = (_OBSERVATION + _ACTION, *self.hidden, 2 * (_OBSERVATION + 1))
        weights = sum(a * b for a, b in itertools.pairwise(sizes))
        return 2 * weights * self.population * _MEMBERS * _HORIZON * _ITERATIONS

    def save(self, path: Path) -> None:
        """Writes the networks and the sizes for the contenders, the same every time."""
        rng = np.random.default_rng(0)
        sizes = (_OBSERVATION + _ACTION, *self.hidden, 2 * (_OBSERVATION + 1))
        arrays: dict[str, Any] = {
            "observation_size": _OBSERVATION,
            "action_size": _ACTION,
            "members": _MEMBERS,
            "population": self.population,
            "horizon": _HORIZON,
            "iterations": _ITERATIONS,
            "elites": max(self.population // 10, 2),  # of one, mbrl-lib's spread is NaN
            "observation": rng.normal(size=_OBSERVATION) / 10,
            "min_log_variance": np.full(_OBSERVATION + 1, -10.0),
            "max_log_variance": np.full(_OBSERVATION + 1, 0.5),
        }
        last = len(sizes) - 2
        for layer, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
            scale = (0.05 if layer == last else 1.0) / np.sqrt(inputs)  # changes stay small
            arrays[f"w{layer}"] = scale * rng.normal(size=(_MEMBERS, inputs, outputs))
            arrays[f"b{layer}"] = rng.normal(size=(_MEMBERS, outputs)) / 10
        arrays[f"b{last}"][:, _OBSERVATION + 1 :] -= 4.0  # log-variances of a model that knows
        numbers: dict[str, Any] = {
            name: array if isinstance(array, int) else np.asarray(array, np.float32)
            for name, array in arrays.items()
        }
        np.savez(path, **numbers)


A = Workload("A", (200, 200, 200, 200), 500)
B = Workload("B", (64, 64), 100)
SIZES = tuple(
    Workload(f"{side.name}, {population} candidates", side.hidden, population)
    for side in (A, B)
    for population in (10, 30, 100, 300, 1000)
)
"""Workloads of many sizes, for the figure."""


class Contender:
    """A process that plans when it is asked to.

    Args:
      name: of its script, followed by arguments.
      workload: the file that it works on.
      python: the interpreter that it needs.
      environment: variables of its own.

    Attributes:
      about: what it says of itself.
    """

    def __init__(
        self, name: str, workload: Path, python: str, environment: dict[str, str] | None = None
    ):
        script, *arguments = name.split()
        self.name = name
        # Of the path only the contender's own: this project's mbrl would hide mbrl-lib's.
        inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        if script not in PEERS:
            inherited["PYTHONPATH"] = str(CONTENDERS.parents[1])
        # Not a pipe, which would fill up with warnings that nobody reads, and stop the process.
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open as long as the process
        self._process = subprocess.Popen(
            [python, str(CONTENDERS / f"{script}.py"), str(workload), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=inherited | (environment or {}),
        )
        self.about = self.ask("about")

    def ask(self, question: str) -> dict[str, Any]:
        """The answer to a question; see `scripts/contenders/protocol.py`.

        Raises:
          UserError: the contender ended instead.
        """
        process = self._process
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(f"{question}\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            process.communicate()
            self._errors.seek(0)
            last = (self._errors.read().strip().splitlines() or ["it said nothing"])[-1]
            self._errors.close()
            raise UserError(f"the contender {self.name} failed: {last.removeprefix('error: ')}")
        return json.loads(answer)

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()
        self._errors.close()


def make_peers(directory: Path) -> str:
    """Makes the virtual environment of the peers, unless it is there already.

    Returns:
      Its interpreter.

    Raises:
      UserError: something could not be installed.
    """
    python, done = directory / "bin" / "python", directory / ".installed"
    if not done.exists():
        venv.create(directory, with_pip=True, clear=True)
        for arguments in (
            ["-r", str(CONTENDERS / "requirements.txt")],
            ["--no-deps", "-r", str(CONTENDERS / "requirements-no-deps.txt")],
        ):
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            result = subprocess.run([*pip, *arguments], capture_output=True, text=True)
            if result.returncode:
                last = (result.stderr.strip().splitlines() or ["pip failed"])[-1]
                raise UserError(f"the peers cannot be installed: {last}")
        done.touch()
    return str(python)


@contextmanager
def running(
    names: Sequence[str], workload: Path, pythons: dict[str, str]
) -> Iterator[list[Contender]]:
    """Contenders by name, ready and warm.

    Each has made two plans: with the first, ours learns that its memory lies on all devices, and it
    is traced once more.
    """
    with ExitStack() as stack:
        contenders = []
        for name in names:
            python = pythons.get(name.split()[0], sys.executable)
            contender = Contender(name, workload, python)
            stack.callback(contender.close)
            for _ in range(2):
                contender.ask("plan")
            contenders.append(contender)
        yield contenders


def measure(
    workload: Workload,
    names: Sequence[str],
    directory: Path,
    *,
    rounds: int,
    plans: int,
    pythons: dict[str, str],
) -> list[Row]:
    """Lets contenders take turns on a workload.

    Args:
      workload: what they plan for.
      names: of the contenders; those that predict are checked against the first.
      directory: for the workload's file.
      rounds: of turns.
      plans: a turn, of which the median counts.
      pythons: the interpreter of a contender, where it is not this one.

    Returns:
      A row a round and contender.

    Raises:
      UserError: a contender failed, or predicts something else than the first.
    """
    path = directory / f"{workload.hidden[0]}x{len(workload.hidden)}-{workload.population}.npz"
    workload.save(path)
    rows = []
    with running(names, path, pythons) as contenders:
        _check_same(contenders)
        for number in range(rounds):
            for contender in contenders:
                answers = [contender.ask("plan") for _ in range(plans)]
                seconds = float(np.median([answer["seconds"] for answer in answers]))
                rows.append(
                    {
                        "workload": workload.name,
                        "layers": f"{len(workload.hidden)}x{workload.hidden[0]}",
                        "population": workload.population,
                        "contender": contender.name,
                        "version": contender.about["name"],
                        "threads": contender.about["threads"],
                        "round": number,
                        "seconds": seconds,
                        "cpu_seconds": float(np.median([a["cpu_seconds"] for a in answers])),
                        "gflops": workload.flops / seconds / 1e9,
                    }
                )
    return rows


def benchmark(options: SpeedOptions, out: Path, *, peers: bool, sizes: bool) -> Iterator[str]:
    """Times plans, writes `planner-speed.csv` and, with `sizes`, its figure.

    Args:
      options: how.
      out: directory of the files, made where missing.
      peers: whether mbrl-lib and pytorch-mppi take part.
      sizes: whether many sizes are timed, too.

    Yields:
      What it does and finds, as lines.

    Raises:
      UserError: a contender failed, the peers cannot be installed, or `out` cannot be used.
    """
    names: list[str] = [CEILING, OURS]
    pythons: dict[str, str] = {}
    if peers:
        yield "peers: installed into .venv-peers, unless they are there (a minute or two, 1.2 GB)"
        pythons = dict.fromkeys(PEERS, make_peers(CONTENDERS.parents[1] / ".venv-peers"))
        names += PEERS
    batch = f"ours {options.environments}"
    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)

        def timed(workload: Workload, *more: str) -> list[Row]:
            return measure(
                workload, [*names, *more], here, rounds=options.rounds, plans=options.plans,
                pythons=pythons,
            )  # fmt: skip

        rows = [row for workload in (A, B) for row in timed(workload, JUDGED, batch)]
        starts = start_up(A, here)
        summary, lines = report(rows, starts)
        yield from lines
        about = {"machine": _machine(), "commit": commit()}
        about |= {f"first_plan_{name}": seconds for name, seconds in starts.items()}
        written = ["planner-speed.csv"]
        with writing(out):
            write_csv(out / written[0], [row | about for row in summary])
        if sizes:
            curves = [row for workload in SIZES for row in timed(workload)]
            written += ["planner-speed-sizes.csv", "planner-speed.png"]
            with writing(out):
                write_csv(out / written[1], curves)
                plot_speed(curves, CEILING, out / written[2])
    yield f"written to {out}: {', '.join(written)}"


def start_up(workload: Workload, directory: Path) -> dict[str, float]:
    """Seconds from the call to the first plan in a fresh process, without and with the cache."""
    path = directory / "start.npz"
    workload.save(path)
    cache = {"JAX_COMPILATION_CACHE_DIR": str(directory / "cache")}
    found = {}
    for name in ("cold", "warm"):
        contender = Contender(OURS, path, sys.executable, cache)
        found[name] = contender.ask("plan")["seconds"]
        contender.close()
    return found


def _check_same(contenders: Sequence[Contender]) -> None:
    """Refuses contenders whose networks predict something else than the first one's."""
    predicting = [each for each in contenders if not each.name.startswith(CEILING)]
    first, *others = [(each.name, each.ask("check")) for each in predicting]
    for name, answer in others:
        for what, values in answer.items():
            gap = float(np.max(np.abs(np.subtract(values, first[1][what]))))
            if gap > _TOLERANCE:
                raise UserError(f"{name} and {first[0]} differ by {gap:.1e} in their {what}")


def report(rows: Sequence[Row], starts: dict[str, float]) -> tuple[list[Row], list[str]]:
    """What a run of the benchmark says.

    Args:
      rows: of `measure`, of one or several workloads.
      starts: of `start_up`.

    Returns:
      A row a workload and contender, with the share of the ceiling, how many times faster than
      mbrl-lib and how many times as long as this project without a penalty (medians over rounds of
      the ratio within a round, and their ranges); and lines of text.
    """
    summary, lines = [], []
    for workload, contender in dict.fromkeys((row["workload"], row["contender"]) for row in rows):
        mine = _seconds(rows, workload, contender)
        share = _ratio(_seconds(rows, workload, CEILING), mine)
        faster = _ratio(_seconds(rows, workload, PEERS[0]), mine)
        slower = _ratio(mine, _seconds(rows, workload, OURS))
        summary.append(
            {
                "workload": workload,
                "contender": contender,
                "median_ms": 1e3 * float(np.median(list(mine.values()))),
                "min_ms": 1e3 * min(mine.values()),
                "max_ms": 1e3 * max(mine.values()),
                **{f"share_of_ceiling{end}": value for end, value in share.items()},
                **{f"times_faster_than_mbrl_lib{end}": value for end, value in faster.items()},
                **{f"times_as_long_as_ours{end}": value for end, value in slower.items()},
            }
        )
    for row in summary:
        text = f"{row['workload']:<20} {row['contender']:<16} {row['median_ms']:9.1f} ms"
        if row["share_of_ceiling"] is not None:
            text += f"  {row['share_of_ceiling']:6.1%} of the ceiling"
        if row["times_faster_than_mbrl_lib"] is not None:
            low, high = (row[f"times_faster_than_mbrl_lib_{end}"] for end in ("min", "max"))
            text += f"  {row['times_faster_than_mbrl_lib']:5.2f} x mbrl-lib [{low:.2f}, {high:.2f}]"
        if row["contender"] == JUDGED and row["times_as_long_as_ours"] is not None:
            low, high = (row[f"times_as_long_as_ours_{end}"] for end in ("min", "max"))
            text += (
                f"  {row['times_as_long_as_ours']:.3f} x as long as ours [{low:.3f}, {high:.3f}]"
            )
        lines.append(text)
    lines.append(
        f"first plan of workload A in a fresh process: {starts['cold']:.2f} s, with the compilation"
        f" cache {starts['warm']:.2f} s"
    )
    return summary, lines


def _machine() -> str:
    """The processor's name and the cores that may be used."""
    model = platform.machine()
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
    return f"{model}, {devices.cores()} cores"


def _seconds(rows: Sequence[Row], workload: str, contender: str) -> dict[int, float]:
    """Seconds by round."""
    return {
        row["round"]: row["seconds"]
        for row in rows
        if (row["workload"], row["contender"]) == (workload, contender)
    }


def _ratio(numerator: dict[int, float], denominator: dict[int, float]) -> dict[str, float | None]:
    """Median and range of the ratios within a round; None where there is nothing to compare."""
    ratios = [
        numerator[number] / denominator[number] for number in denominator if number in numerator
    ]
    if not ratios:
        return {"": None, "_min": None, "_max": None}
    return {"": float(np.median(ratios)), "_min": min(ratios), "_max": max(ratios)}
