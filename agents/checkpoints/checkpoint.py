"""Checkpoints: everything that a run needs to go on, one file a step, written whole or not at all.

`STEP.npz` is an uncompressed zip as `numpy.savez` writes it, in which every array has its checksum,
those of size zero too. Its first member, `content`, is a JSON text: the version of the format, and
all that is not an array.

A checkpoint has two parts:

* `state`: a pytree of arrays whose structure the program knows before it reads (parameters,
  optimiser states, keys). It is read *into* a target, so that NamedTuples, dataclasses, typed keys
  and weak types come back as what they were, and anything that does not fit is refused.
* `arrays`: nested dicts and lists of NumPy arrays whose shapes only the checkpoint knows (the
  replay buffer, actions of open episodes), with plain Python numbers, strings and None.

Both come back bit for bit. One process writes in a folder; others may read there meanwhile.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.archives import UnreadableError, members
from agents.checkpoints import encoding
from agents.directories import sync, writable, write_whole
from agents.errors import UserError, shown

_FORMAT = 2
_CONTENT = "content"


def save(
    directory: Path,
    step: int,
    state: Any,
    arrays: Mapping[str, Any],
    *,
    keep: int,
    milestones: Sequence[int] = (),
) -> None:
    """Writes checkpoint `step` and returns when it is on disk.

    A process killed at any moment leaves the checkpoint before usable, or the one that is written
    again. What a killed process left is cleared away by the next save.

    Args:
      directory: folder of checkpoints, made when missing.
      step: number of the checkpoint, >= 0 and not below the latest.
      state: pytree of JAX or NumPy arrays, typed keys and Python numbers.
      arrays: nested dicts and lists of NumPy arrays, Python numbers, strings and None.
      keep: how many checkpoints to keep, >= 1; the oldest go.
      milestones: steps; the first checkpoint at or after each of them is kept for good.

    Raises:
      TypeError: a leaf is of a kind that could not come back as it is.
      UnwritableError: the operating system refused; the checkpoints are as they were.
      ValueError: `step` is negative or lies before the latest checkpoint.
    """
    if keep < 1 or step < 0:
        raise ValueError(f"keep must be >= 1 and step >= 0, got {keep} and {step}")
    earlier = _steps(directory)
    if earlier and step < earlier[-1]:
        raise ValueError(f"step {step} lies before the latest checkpoint, {earlier[-1]}")
    packed = pack(state, arrays)
    with writable(directory):
        directory.mkdir(parents=True, exist_ok=True)
        for left in directory.glob("*.tmp"):
            left.unlink()
    write_whole(_file(directory, step), packed)
    known = sorted({*earlier, step})
    lasting = {min(each for each in known if each >= m) for m in milestones if m <= step}
    for old in {*known[:-keep]} - lasting:
        with writable(directory):
            _file(directory, old).unlink(missing_ok=True)


def pack(state: Any, arrays: Mapping[str, Any]) -> bytes:
    """The content of a file that holds both; arguments and TypeError as of `save`."""
    pieces: list[np.ndarray] = []
    content = {
        "format": _FORMAT,
        "state": encoding.encode_state(state, pieces),
        "arrays": encoding.encode(arrays, "arrays", pieces),
        "pieces": len(pieces),
    }
    stream = io.BytesIO()
    text = np.frombuffer(json.dumps(content).encode(), np.uint8)
    np.savez(stream, *pieces, allow_pickle=False, **{_CONTENT: text})
    return stream.getvalue()


def latest(directory: Path) -> int | None:
    """The newest checkpoint in `directory`, None when there is none.

    Raises:
      UserError: its checkpoints are of an earlier format.
    """
    return max(_steps(directory), default=None)


def find(directory: Path, step: int | None = None, *, or_later: bool = False) -> int:
    """The number of a checkpoint that there is.

    Args:
      directory: folder of checkpoints.
      step: which one; the newest when None.
      or_later: the earliest of `step` or more will do.

    Raises:
      UserError: there is none, or the checkpoints are of an earlier format.
    """
    steps = _steps(directory)
    known = f"in {shown(str(directory))}: there are {', '.join(map(str, steps)) or 'none'}"
    if step is None:
        fitting, missing = steps[-1:], f"no checkpoint {known}"
    elif or_later:
        fitting = [each for each in steps if each >= step]
        missing = (
            f"no checkpoint at or after {step:,} steps {known}; train for longer, or with a larger"
            " --keep-checkpoints"
        )
    else:
        fitting, missing = [step] * steps.count(step), f"no checkpoint {step} {known}"
    if not fitting:
        raise UserError(missing)
    return fitting[0]


@dataclass(frozen=True)
class Checkpoint:
    """What was read of a checkpoint.

    Attributes:
      where: it was read, for messages.
      leaves: of the state, by their paths.
      arrays: as they were saved; the arrays are the caller's own.
    """

    where: str
    leaves: Mapping[str, Any]
    arrays: Mapping[str, Any]

    def state(self, target: Any) -> Any:
        """The state that was saved.

        Args:
          target: pytree like it, of arrays or of `jax.ShapeDtypeStruct`. Where it has NumPy arrays
            they come back as such, all others as JAX arrays on the default device.

        Raises:
          UserError: the state does not fit the target.
        """
        return encoding.into_target(self.where, self.leaves, target)


def read(directory: Path, step: int | None = None, *, or_later: bool = False) -> Checkpoint:
    """Reads a checkpoint back; arguments as of `find`.

    Raises:
      UserError: there is no such checkpoint, or it cannot be read.
    """
    failed = None
    while True:
        found = find(directory, step, or_later=or_later)
        path = _file(directory, found)
        try:
            return read_file(path)
        except UnreadableError as error:
            # It may have been cleared away or replaced since it was found: look again.
            if path == failed:
                reason = f"{_named(path)} cannot be read ({error})"
                raise UserError(f"{reason}; {_advice(directory, found)}") from None
            failed = path


def before(directory: Path, step: int) -> list[int]:
    """The checkpoints earlier than `step`, newest first."""
    return [each for each in reversed(_steps(directory)) if each < step]


def drop_after(directory: Path, step: int) -> None:
    """Removes the checkpoints later than `step`."""
    for later in _steps(directory):
        if later > step:
            with writable(directory):
                _file(directory, later).unlink()
            sync(directory)


def _file(directory: Path, step: int) -> Path:
    return directory / f"{step}.npz"


def _steps(directory: Path) -> list[int]:
    """The checkpoints, oldest first."""
    if not directory.is_dir():
        return []
    return sorted(
        int(path.stem)
        for path in directory.iterdir()
        if path.suffix == ".npz" and path.stem.isdecimal()
    )


def read_file(path: Path) -> Checkpoint:
    """Reads one file; its format is compared before its arrays are read.

    Raises:
      UnreadableError: it is missing, damaged or none of this form.
      UserError: it has another format.
    """
    arrays = members(path)
    name, text = next(arrays, ("", None))
    if text is None or name != _CONTENT:
        raise UnreadableError(f"{_CONTENT} is missing")
    try:
        content = json.loads(text.tobytes())
        found = content["format"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UnreadableError(f"{_CONTENT} is not ours") from None
    if found != _FORMAT:
        raise UserError(
            f"{_named(path)} has format {shown(found)}, this program reads {_FORMAT}: use the"
            " version that wrote it"
        )
    pieces = [array for _, array in arrays]
    if len(pieces) != content["pieces"]:
        raise UnreadableError("arrays are missing")
    decoded = (encoding.decode(content[part], pieces) for part in ("state", "arrays"))
    return Checkpoint(_named(path), *decoded)


def _named(path: Path) -> str:
    return f"checkpoint {shown(str(path))}"


def _advice(directory: Path, step: int) -> str:
    older = before(directory, step)
    if not older:
        return "no other is before it: restore the file from a copy, or train another run"
    return (
        f"the one before it is {older[0]}: restore the file from a copy, or go on from there with"
        f" train --resume RUN_DIR --from-step {older[0]}, which drops what came after"
    )
