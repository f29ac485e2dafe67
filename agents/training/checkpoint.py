"""Checkpoints: everything that a run needs to go on, written whole or not at all.

The only room that knows Orbax. Orbax gives numbered steps, a write that becomes visible in one
rename, and the clearing away of old steps. Within a step all arrays travel as **one block of
bytes**, beside a table of their names, types and shapes and a SHA-256 of both. That departs from
Orbax's one entry per array for three reasons, each measured with orbax-checkpoint 0.12.8: it
refuses arrays of size zero (an empty replay buffer has some), it reads one flipped bit in a file
back as another number without a word, and a damaged file makes its threads print tracebacks past
any `except`.

A checkpoint has two parts:

* `state`: a pytree of arrays whose structure the program knows before it reads (parameters,
  optimiser states, keys). Restored *into* a target, so that NamedTuples, dataclasses, typed keys
  and weak types come back as what they were, and anything that does not fit is refused.
* `arrays`: nested dicts and lists of NumPy arrays whose shapes only the checkpoint knows (the
  replay buffer, actions of open episodes), with plain Python numbers, strings and None.

Both come back bit for bit.
"""

import contextlib
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy

from agents.errors import UserError, shown
from agents.training import encoding

__all__ = ["at_or_after", "latest", "restore", "save", "stored"]

_FORMAT = 1
_ASIDE = ".replaced"  # a step that is being written again waits under this name


def save(
    directory: str | os.PathLike[str],
    step: int,
    state: Any,
    arrays: Mapping[str, Any],
    *,
    keep: int,
    milestones: Sequence[int] = (),
) -> None:
    """Writes checkpoint `step` and returns when it is on disk.

    A process killed at any moment leaves the checkpoint before usable: the new one is written
    under a temporary name and renamed at the end. What a killed process left is cleared away by
    the next save. A step that exists already is replaced in the same careful manner.

    Args:
        directory: folder of checkpoints, made when missing; relative paths are resolved.
        step: number of the checkpoint, >= 0 and not below the latest.
        state: pytree of JAX or NumPy arrays, typed keys and Python numbers.
        arrays: nested dicts and lists of NumPy arrays, Python numbers, strings and None.
        keep: how many checkpoints to keep, >= 1; the oldest go.
        milestones: steps; the first checkpoint at or after each of them is kept for good.

    Raises:
        TypeError: a leaf is of a kind that could not come back as it is.
        ValueError: `step` is negative or lies before the latest checkpoint.
    """
    if keep < 1:
        raise ValueError(f"keep must be >= 1, got {keep}")
    if step < 0:
        raise ValueError(f"step must be >= 0, got {step}")
    root = Path(directory).resolve()
    root.mkdir(parents=True, exist_ok=True)
    table: list[dict[str, Any]] = []
    blocks: list[bytes] = []

    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        encoding.append(table, blocks, f"state{jax.tree_util.keystr(path)}", leaf)
    state_leaves = len(table)
    encoded = encoding.encode(arrays, "arrays", table, blocks)

    block = b"".join(blocks)
    content = {
        "format": _FORMAT,
        "state_leaves": state_leaves,
        "table": table,
        "arrays": encoded,
    }
    content["sha256"] = _digest(content, block)
    known = sorted({*_steps(root), step})
    lasting = {min(each for each in known if each >= m) for m in milestones if m <= step}
    with _manager(root, keep=keep, lasting=sorted(lasting)) as manager:
        newest = manager.latest_step()
        if newest is not None and step < newest:
            raise ValueError(f"step {step} lies before the latest checkpoint, {newest}, in {root}")
        aside = root / f"{step}{_ASIDE}"
        if step == newest:
            os.rename(root / str(step), aside)
            manager.reload()
        manager.save(
            step,
            args=ocp.args.Composite(
                # Never empty, since Orbax refuses an array of size zero.
                block=ocp.args.ArraySave(np.frombuffer(block + b"\0", np.uint8)),
                content=ocp.args.JsonSave(content),
            ),
            force=True,
        )
        if aside.exists():
            shutil.rmtree(aside)


def latest(directory: str | os.PathLike[str]) -> int | None:
    """The newest complete checkpoint in `directory`, None when there is none."""
    return max(_steps(Path(directory).resolve()), default=None)


def at_or_after(directory: str | os.PathLike[str], env_steps: int) -> int:
    """The earliest complete checkpoint of `env_steps` or more.

    Raises:
        UserError: there is none.
    """
    steps = _steps(Path(directory).resolve())
    found = min((step for step in steps if step >= env_steps), default=None)
    if found is None:
        known = ", ".join(map(str, steps)) or "none"
        raise UserError(
            f"no checkpoint at or after {env_steps:,} steps in {shown(str(directory))}: there are"
            f" {known}; train for longer, or with a larger --keep-checkpoints"
        )
    return found


def stored(directory: str | os.PathLike[str], name: str) -> Any:
    """One of the newest checkpoint's `arrays` that is not an array, without reading the others.

    Args:
        directory: folder of checkpoints; relative paths are resolved.
        name: of the entry.

    Returns:
        What was saved; None where there is no checkpoint, or no such entry in it.

    Raises:
        UserError: the checkpoint cannot be read.
    """
    root = Path(directory).resolve()
    step = latest(root)
    if step is None:
        return None
    with _reading(root, step), _manager(root) as manager:
        items = manager.restore(step, args=ocp.args.Composite(content=ocp.args.JsonRestore()))
        return items["content"]["arrays"].get(name)


def restore(
    directory: str | os.PathLike[str], target: Any, step: int | None = None
) -> tuple[int, Any, dict[str, Any]]:
    """Reads a checkpoint back.

    Args:
        directory: folder of checkpoints; relative paths are resolved.
        target: pytree like the `state` that was saved; its arrays (or `jax.ShapeDtypeStruct`, as
            from `jax.eval_shape`) give structure, shapes and types. Its values are not read.
        step: which checkpoint; the latest when None.

    Returns:
        `(step, state, arrays)`. NumPy leaves of the target come back as NumPy arrays of their own,
        all others as JAX arrays on the default device.

    Raises:
        UserError: no such checkpoint, one that cannot be read, or one that does not fit `target`.
    """
    root = Path(directory).resolve()
    steps = _steps(root)
    if not steps:
        raise UserError(f"no checkpoint in {shown(str(root))}")
    step = steps[-1] if step is None else step
    path = root / str(step)
    if step not in steps:
        known = ", ".join(map(str, steps))
        raise UserError(f"no checkpoint {step} in {shown(str(root))}: there are {known}")
    content, block = _read(root, step)
    if content["format"] != _FORMAT:
        raise UserError(
            f"checkpoint {shown(str(path))} has format {shown(content['format'])}, this program "
            f"reads {_FORMAT}"
        )

    table = content["table"]
    ends = np.cumsum([entry["bytes"] for entry in table], dtype=np.int64).tolist()
    pieces = [
        encoding.decode_leaf(entry, block[end - entry["bytes"] : end])
        for entry, end in zip(table, ends, strict=True)
    ]
    split = content["state_leaves"]
    state = encoding.into_target(path, table[:split], pieces[:split], target)
    return step, state, encoding.decode(content["arrays"], pieces)


# --- Orbax ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def _manager(
    root: Path, *, keep: int | None = None, lasting: Sequence[int] = ()
) -> Iterator[ocp.CheckpointManager]:
    """Opens the folder; only a manager opened with `keep` changes anything in it."""
    for aside in root.glob(f"*{_ASIDE}"):
        # A process was killed while it replaced a step. Before the rename the old one still counts.
        step = root / aside.name.removesuffix(_ASIDE)
        if not step.exists():
            os.rename(aside, step)
        elif keep is not None:
            shutil.rmtree(aside)
    options = ocp.CheckpointManagerOptions(
        create=False,
        enable_async_checkpointing=False,
        cleanup_tmp_directories=keep is not None,
        preservation_policy=preservation_policy.AnyPreservationPolicy(
            [preservation_policy.LatestN(keep), preservation_policy.CustomSteps(lasting)]
        ),
    )
    with _quiet(), ocp.CheckpointManager(root, options=options) as manager:
        yield manager


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Holds back Orbax's log lines: what is wrong is raised, and said once."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def _steps(root: Path) -> list[int]:
    """The complete checkpoints, oldest first."""
    if not root.is_dir():
        return []
    with _manager(root) as manager:
        return sorted(manager.all_steps())


def _read(root: Path, step: int) -> tuple[dict[str, Any], bytes]:
    """The table and the bytes of one step, whole and unchanged."""
    with _reading(root, step):
        with _manager(root) as manager:
            items = manager.restore(
                step,
                args=ocp.args.Composite(
                    block=ocp.args.ArrayRestore(), content=ocp.args.JsonRestore()
                ),
            )
        content = dict(items["content"])
        block = np.asarray(items["block"]).tobytes()[:-1]
        intact = content.pop("sha256") == _digest(content, block)
    if not intact:
        raise UserError(
            f"{_named(root, step)} is damaged (its checksum does not match){_advice(root, step)}"
        )
    return content, block


@contextlib.contextmanager
def _reading(root: Path, step: int) -> Iterator[None]:
    """Says in one line that a step cannot be read."""
    try:
        yield
    # What Orbax and TensorStore raise for files that are missing, cut short or overwritten.
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(
            f"{_named(root, step)} cannot be read ({reason}){_advice(root, step)}"
        ) from error


def _named(root: Path, step: int) -> str:
    return f"checkpoint {shown(str(root / str(step)))}"


def _advice(root: Path, step: int) -> str:
    older = [other for other in _steps(root) if other < step]
    return f": delete it to fall back on checkpoint {older[-1]}" if older else ""


def _digest(content: Mapping[str, Any], block: bytes) -> str:
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    digest.update(block)
    return digest.hexdigest()
