"""How fast is a plan? This project, its peers and the processor's limit, timed in one run.

Each planner is a process of its own (`process`), given the same networks and the same number of
model evaluations (`workload`). They take turns, so that the machine's other load slows all of them
alike, and are compared round by round.
"""

import platform
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import numpy as np

from agents import devices
from agents.analysis.provenance import commit
from agents.analysis.tables import Row, grouped, write_csv, writing
from agents.config.benchmarks import SpeedOptions
from agents.errors import UserError
from agents.experiments.planners.figures import plot_speed
from agents.experiments.planners.process import (
    CEILING,
    OURS,
    PEERS,
    PENALISED,
    PlannerProcess,
    peers_python,
)
from agents.experiments.planners.workload import SIZES, A, B, Workload

_TOLERANCE = 2e-5  # of single precision, between libraries that sum in other orders


def benchmark(options: SpeedOptions, out: Path, *, peers: bool, sizes: bool) -> Iterator[str]:
    """Times plans, writes `planner-speed.csv` and, with `sizes`, its figure.

    Args:
      options: how.
      out: directory of the files, made where missing.
      peers: whether mbrl-lib and pytorch-mppi are timed, too.
      sizes: whether many sizes are timed, too.

    Yields:
      Progress and results, as lines.

    Raises:
      UserError: a process failed, the peers cannot be installed, or `out` cannot be used.
    """
    with writing(out):
        pass
    names, written = [CEILING, OURS], "planner-speed.csv"
    if peers:
        yield "peers: installed into .venv-peers, unless they are there (a minute or two, 1.2 GB)"
        peers_python()
        names += PEERS
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        timed = [*names, *PENALISED, f"ours {options.environments}"]
        rows = [row for workload in (A, B) for row in measure(workload, timed, options, directory)]
        starts = start_up(A, directory)
        summary = summarise(rows)
        yield from map(_line, summary)
        yield (
            f"first plan of workload A in a fresh process: {starts['cold']:.2f} s, with the"
            f" compilation cache {starts['warm']:.2f} s"
        )
        about = {
            "machine": _machine(),
            "commit": commit(),
            **{f"first_plan_{name}": seconds for name, seconds in starts.items()},
        }
        with writing(out):
            write_csv(out / written, [row | about for row in summary])
        if sizes:
            curves = [
                row for workload in SIZES for row in measure(workload, names, options, directory)
            ]
            with writing(out):
                write_csv(out / "planner-speed-sizes.csv", curves)
                plot_speed(curves, CEILING, out / "planner-speed.png")
            written += ", planner-speed-sizes.csv, planner-speed.png"
    yield f"written to {out}: {written}"


def measure(
    workload: Workload, names: Sequence[str], options: SpeedOptions, directory: Path
) -> list[Row]:
    """Lets processes take turns on a workload.

    Each makes two plans before, which are not timed.

    Args:
      workload: what they plan for.
      names: of the processes; those that predict are checked against the first.
      options: rounds of turns, and plans a turn, of which the median counts.
      directory: for the workload's file.

    Returns:
      A row a round and process.

    Raises:
      UserError: a process failed, or predicts something else than the first.
    """
    layers = f"{len(workload.hidden)}x{workload.hidden[0]}"
    path = directory / f"{layers}-{workload.population}.npz"
    workload.save(path)
    rows = []
    with ExitStack() as stack:
        processes = [stack.enter_context(closing(PlannerProcess(name, path))) for name in names]
        for process in 2 * processes:
            process.ask("plan")
        check_same([each for each in processes if not each.name.startswith(CEILING)])
        for number in range(options.rounds):
            for process in processes:
                answers = [process.ask("plan") for _ in range(options.plans)]
                seconds = float(np.median([answer["seconds"] for answer in answers]))
                rows.append(
                    {
                        "workload": workload.name,
                        "layers": layers,
                        "population": workload.population,
                        "contender": process.name,
                        "version": process.about["name"],
                        "threads": process.about["threads"],
                        "round": number,
                        "seconds": seconds,
                        "cpu_seconds": float(np.median([a["cpu_seconds"] for a in answers])),
                        "gflops": workload.flops / seconds / 1e9,
                    }
                )
    return rows


def check_same(processes: Sequence[PlannerProcess]) -> None:
    """Compares what the networks of processes predict.

    Raises:
      UserError: one predicts something else than the first one does.
    """
    first, *others = [(each.name, each.ask("check")) for each in processes]
    for name, answer in others:
        for what, values in answer.items():
            gap = float(np.max(np.abs(np.subtract(values, first[1][what]))))
            if gap > _TOLERANCE:
                raise UserError(f"{name} and {first[0]} differ by {gap:.1e} in their {what}")


def start_up(workload: Workload, directory: Path) -> dict[str, float]:
    """Seconds from the call to the first plan in a fresh process, without and with the cache."""
    path = directory / "start.npz"
    workload.save(path)
    cache = {"JAX_COMPILATION_CACHE_DIR": str(directory / "cache")}
    found = {}
    for name in ("cold", "warm"):
        with closing(PlannerProcess(OURS, path, cache)) as process:
            found[name] = process.ask("plan")["seconds"]
    return found


def summarise(rows: Sequence[Row]) -> list[Row]:
    """A row a workload and process.

    Args:
      rows: of `measure`, of one or several workloads.

    Returns:
      Times, the share of the ceiling, how many times faster than mbrl-lib and how many times as
      long as this project without a penalty: medians over rounds of the ratio within a round, and
      their ranges.
    """
    seconds = {
        group: {row["round"]: row["seconds"] for row in timed}
        for group, timed in grouped(rows, "workload", "contender").items()
    }
    return [
        {
            "workload": workload,
            "contender": name,
            "median_ms": 1e3 * float(np.median(list(mine.values()))),
            "min_ms": 1e3 * min(mine.values()),
            "max_ms": 1e3 * max(mine.values()),
            **_ratio("share_of_ceiling", seconds.get((workload, CEILING)), mine),
            **_ratio("times_faster_than_mbrl_lib", seconds.get((workload, PEERS[0])), mine),
            **_ratio("times_as_long_as_ours", mine, seconds.get((workload, OURS))),
        }
        for (workload, name), mine in seconds.items()
    ]


def _ratio(
    name: str, numerator: dict[int, float] | None, denominator: dict[int, float] | None
) -> Row:
    """Median and range of the ratios within a round; None where one side was not timed."""
    if not numerator or not denominator:
        return dict.fromkeys((name, f"{name}_min", f"{name}_max"))
    ratios = [numerator[number] / denominator[number] for number in denominator]
    return {
        name: float(np.median(ratios)),
        f"{name}_min": min(ratios),
        f"{name}_max": max(ratios),
    }


def _line(row: Row) -> str:
    """A row of `summarise` in words."""
    text = f"{row['workload']:<20} {row['contender']:<16} {row['median_ms']:9.1f} ms"
    if row["share_of_ceiling"] is not None:
        text += f"  {row['share_of_ceiling']:6.1%} of the ceiling"
    if row["times_faster_than_mbrl_lib"] is not None:
        text += (
            "  {times_faster_than_mbrl_lib:5.2f} x mbrl-lib"
            " [{times_faster_than_mbrl_lib_min:.2f}, {times_faster_than_mbrl_lib_max:.2f}]"
        ).format_map(row)
    if row["contender"] in PENALISED and row["times_as_long_as_ours"] is not None:
        text += (
            "  {times_as_long_as_ours:.3f} x as long as ours"
            " [{times_as_long_as_ours_min:.3f}, {times_as_long_as_ours_max:.3f}]"
        ).format_map(row)
    return text


def _machine() -> str:
    """The processor's name and the cores that may be used."""
    model = platform.machine()
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
    return f"{model}, {devices.cores()} cores"
