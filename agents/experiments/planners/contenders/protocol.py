"""What the workers share: the workload's file, questions and answers, the clock.

A worker puts one peer to work in a virtual environment of the peers' own, since mbrl-lib's package
has this project's name:

    python -m venv PEERS
    PEERS/bin/python -m pip install -r contenders/requirements.txt
    PEERS/bin/python -m pip install --no-deps -r contenders/requirements-no-deps.txt
    PEERS/bin/python contenders/mbrl_lib.py WORKLOAD.npz

It answers each line on standard input by one line of JSON on standard output, until the input ends:

    about   {"name", "threads"}
    check   {"mean", "log_variance"}: [members][O + 1] each, the log-variance as bounded, predicted
            by the peer's own model for the workload's observation and an action of zeros
    plan    {"seconds", "cpu_seconds"}: of one plan, warm-started by the one before

What cannot be used, a workload or an environment, is one line on standard error and status 2.
Anything that a library prints goes to standard error, too.

Letters of shapes: E members, O observation size, A action size.
"""

import json
import os
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

_SIZES = (
    "observation_size",
    "action_size",
    "members",
    "population",
    "horizon",
    "iterations",
    "elites",
)


class UnusableError(ValueError):
    """A workload or a question that cannot be used; the message is one line."""


@dataclass(frozen=True)
class Workload:
    """What is planned for, and with which model.

    The model is an ensemble of swish networks on ``concat(observation, action)``. The first half of
    the output is the mean of ``(next observation - observation, reward)``, the second the
    log-variance, softly bounded as in PETS (Chua et al., 2018, appendix A.1).

    Attributes:
      observation_size: O.
      action_size: A; actions lie in [-1, 1].
      members: E, which is also the number of rollouts per candidate plan.
      population: candidate plans an iteration.
      horizon: decisions a plan.
      iterations: rounds of drawing and improving.
      elites: plans that CEM keeps, at most `population`.
      observation: [O], where every plan starts.
      weights: of each layer, [E, inputs, outputs].
      biases: of each layer, [E, outputs].
      min_log_variance: [O + 1].
      max_log_variance: [O + 1].
    """

    observation_size: int
    action_size: int
    members: int
    population: int
    horizon: int
    iterations: int
    elites: int
    observation: np.ndarray
    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    min_log_variance: np.ndarray
    max_log_variance: np.ndarray

    @property
    def evaluations(self) -> int:
        """Evaluations of a member's network in one plan."""
        return self.population * self.members * self.horizon * self.iterations

    @property
    def flops(self) -> int:
        """Multiplications and additions of the matrix products in one plan."""
        return 2 * self.evaluations * sum(weight[0].size for weight in self.weights)


class Predicted(NamedTuple):
    """What a peer's model predicts, [E, O + 1] each, the log-variance as bounded."""

    mean: np.ndarray
    log_variance: np.ndarray


@dataclass(frozen=True)
class Peer:
    """A library that has been given the workload.

    Attributes:
      name: what people call it, with its version.
      threads: how many the library computes with.
      check: predicts for the workload's observation and an action of zeros.
      plan: makes one plan; returns how many evaluations of a network it took.
      scale: by which the seconds measured are multiplied, for a piece of the work.
    """

    name: str
    threads: int
    check: Callable[[], Predicted]
    plan: Callable[[], int]
    scale: float = 1.0


def serve(build: Callable[..., Peer]) -> NoReturn:
    """Runs a worker, on the workload that the command line names, until its input ends; exits.

    Args:
      build: gives a peer the workload, and the words that follow it on the command line. It
        imports the peer's packages itself, so that a missing one is reported.
    """
    answers = _keep_standard_output()
    here = Path(__file__).parent.resolve()  # where pytorch_mppi.py would hide the package it runs
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != here]
    try:
        if len(sys.argv) < 2:
            raise UnusableError(f"usage: python {sys.argv[0]} WORKLOAD.npz")
        workload = load(Path(sys.argv[1]))
        peer = build(workload, *sys.argv[2:])
        for line in sys.stdin:
            print(json.dumps(_answer(line.strip(), peer, workload)), file=answers, flush=True)
    except (ImportError, UnusableError) as error:
        missing = isinstance(error, ImportError)
        hint = "; see contenders/protocol.py for what to install" if missing else ""
        print(f"error: {' '.join(str(error).split())}{hint}", file=sys.stderr)
        sys.exit(2)
    sys.exit(0)


def load(path: Path) -> Workload:
    """Reads a workload: an .npz with the names of `Workload`; of layer k, it holds wk and bk.

    Raises:
      UnusableError: the file cannot be read, or what it holds does not fit together.
    """
    try:
        with np.load(path) as file:
            arrays = dict(file)
    except OSError as error:
        raise UnusableError(f"{str(path)!r} cannot be read ({error.strerror})") from None
    except (EOFError, ValueError, zipfile.BadZipFile, zlib.error):
        raise UnusableError(f"{str(path)!r} is not an .npz file of numbers") from None
    except TypeError:  # a single array is no context to enter
        raise UnusableError(f"{str(path)!r} is an .npy file, not an .npz file") from None
    size = {name: _size(arrays, name) for name in _SIZES}
    if size["elites"] > size["population"]:
        raise UnusableError(
            f"elites must be at most the population, {size['population']}, not {size['elites']}"
        )
    members, outputs = size["members"], size["observation_size"] + 1
    width, weights, biases = size["observation_size"] + size["action_size"], [], []
    while (name := f"w{len(weights)}") in arrays:
        weights.append(_floats(arrays, name, (members, width, None)))
        width = weights[-1].shape[-1]
        biases.append(_floats(arrays, f"b{len(biases)}", (members, width)))
    if len(weights) < 2 or width != 2 * outputs:
        raise UnusableError(
            f"the model needs a hidden layer or more and {2 * outputs} outputs, not {len(weights)}"
            f" layers, w0, w1, ..., and {width} outputs"
        )
    return Workload(
        **size,
        observation=_floats(arrays, "observation", (size["observation_size"],)),
        weights=tuple(weights),
        biases=tuple(biases),
        min_log_variance=_floats(arrays, "min_log_variance", (outputs,)),
        max_log_variance=_floats(arrays, "max_log_variance", (outputs,)),
    )


def _answer(question: str, peer: Peer, workload: Workload) -> dict[str, object]:
    if question == "about":
        return {"name": peer.name, "threads": peer.threads}
    if question == "check":
        return {name: array.tolist() for name, array in peer.check()._asdict().items()}
    if question == "plan":
        cpu, wall = time.process_time(), time.perf_counter()
        evaluations = peer.plan()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        if evaluations < workload.evaluations:
            raise AssertionError(
                f"{peer.name} made {evaluations} evaluations, not {workload.evaluations}"
            )
        return {"seconds": wall * peer.scale, "cpu_seconds": cpu * peer.scale}
    raise UnusableError(f"{question!r} is no question; ask about, check or plan")


def _keep_standard_output():
    """Returns standard output for the answers; what is printed from now on goes to the error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # for what a library writes past Python, too
    return answers


def _size(arrays: dict[str, np.ndarray], name: str) -> int:
    array = _array(arrays, name)
    if array.shape != () or array.dtype.kind not in "iu" or array < 1:
        raise UnusableError(f"{name} must be an integer of 1 or more, not {array}")
    return int(array)


def _floats(arrays: dict[str, np.ndarray], name: str, shape: tuple[int | None, ...]) -> np.ndarray:
    array = _array(arrays, name)
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, found) for wanted, found in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if each is None else str(each) for each in shape)
        raise UnusableError(f"{name} must have the shape [{wanted}], not {list(array.shape)}")
    if array.dtype.kind != "f" or not np.all(np.isfinite(array)):
        raise UnusableError(f"{name} must hold finite floats")
    return np.ascontiguousarray(array, np.float32)


def _array(arrays: dict[str, np.ndarray], name: str) -> np.ndarray:
    if name not in arrays:
        raise UnusableError(f"the workload lacks {name}")
    return arrays[name]
