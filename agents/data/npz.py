"""This library's own file of logged episodes: one `.npz`, that NumPy alone can read.

The arrays of all episodes are joined: `observations` [sum of T + 1, O] and `rewards` [sum of T]
float32, `actions` [sum of T, *action shape] in the environment's own units and type, `steps` [N]
int64 with the length T of each, `terminated` and `truncated` [N] bool. `meta` is a text, JSON that
names the format's version, the environment and its spaces.
"""

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from agents.archives import UnreadableError, members
from agents.data.checking import checked_episode
from agents.data.dataset import Dataset
from agents.directories import writable, write_whole
from agents.envs import EnvironmentSpec, describe_spaces, spaces_of
from agents.errors import UserError, one_line, shown

FORMAT = 1
"""Version of the format; a program reads those up to its own."""

_ARRAYS = {
    "observations": ("float32", 2),
    "actions": (None, None),
    "rewards": ("float32", 1),
    "steps": ("int64", 1),
    "terminated": ("bool", 1),
    "truncated": ("bool", 1),
}
"""Type and number of dimensions of each array; those of actions are the environment's."""


class _Meta(BaseModel):
    """What is not an array."""

    model_config = ConfigDict(allow_inf_nan=False)

    format: Literal[1]
    spec: EnvironmentSpec
    env_kwargs: dict[str, bool | int | float | str]
    description: str


def save_npz(dataset: Dataset, path: Path) -> None:
    """Writes a data set, whole or not at all; the same data set gives the same bytes.

    Args:
      dataset: not empty.
      path: of the file; its directory is made where it is missing.

    Raises:
      UserError: it cannot be written.
    """
    meta = {
        "format": FORMAT,
        "spec": asdict(dataset.spec),
        "env_kwargs": dict(dataset.env_kwargs),
        "description": dataset.description,
    }
    episodes = dataset.episodes
    content = io.BytesIO()
    np.savez_compressed(
        content,
        allow_pickle=False,
        meta=np.array(json.dumps(meta)),
        observations=np.concatenate([each.observations for each in episodes]),
        actions=np.concatenate([each.actions for each in episodes]),
        rewards=np.concatenate([each.rewards for each in episodes]),
        steps=np.array([len(each.rewards) for each in episodes], np.int64),
        terminated=np.array([each.terminated for each in episodes]),
        truncated=np.array([each.truncated for each in episodes]),
    )
    with writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content.getvalue())


def load_npz(name: str) -> Dataset:
    """Reads a data set.

    Args:
      name: path of the file.

    Raises:
      UserError: there is no such file, it is of another format, or what it holds cannot be used.
    """
    where = f"data set {shown(name)}"
    meta, arrays = _read(where, name)
    spec = _checked_spec(where, meta, arrays)
    steps = arrays["steps"]
    if not len(steps):
        raise UserError(f"{where} has no episodes; allowed: one or more")
    if steps.min() < 1:
        raise UserError(
            f"{where}, episode {np.argmin(steps)} has {steps.min()} steps; allowed: one or more"
        )
    _check_lengths(where, arrays)
    ends = np.cumsum(steps)
    episodes = []
    for index, (end, length) in enumerate(zip(ends.tolist(), steps.tolist(), strict=True)):
        rows = slice(end - length, end)
        # An episode has one observation more than it has steps.
        observed = slice(rows.start + index, rows.stop + index + 1)
        episodes.append(
            checked_episode(
                f"{where}, episode {index}",
                spec,
                observations=arrays["observations"][observed],
                actions=arrays["actions"][rows],
                rewards=arrays["rewards"][rows],
                terminated=arrays["terminated"][index],
                truncated=arrays["truncated"][index],
            )
        )
    return Dataset(name, spec, meta.env_kwargs, tuple(episodes), description=meta.description)


def _read(where: str, name: str) -> tuple[_Meta, dict[str, NDArray]]:
    try:
        arrays = dict(members(Path(name)))
    except UnreadableError as error:
        raise UserError(
            f"{where} cannot be read ({error}); allowed: a .npz file as mbrl-dae collect writes"
        ) from None
    missing = {"meta", *_ARRAYS} - set(arrays)
    if missing:
        raise UserError(
            f"{where} is no data set of this library: {', '.join(sorted(missing))} is missing;"
            " mbrl-dae collect and mbrl-dae export write one"
        )
    return _read_meta(where, arrays.pop("meta")), arrays


def _read_meta(where: str, text: NDArray) -> _Meta:
    if text.dtype.kind != "U" or text.ndim:
        raise UserError(f"{where} has a meta of type {text.dtype}; allowed: one text")
    try:
        found: Any = json.loads(text.item())
    except (ValueError, RecursionError):  # also numbers of thousands of digits, brackets as deep
        raise UserError(f"{where} has a meta that is not JSON") from None
    version = found.get("format") if isinstance(found, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise UserError(
            f"{where} has format {version}; this program reads up to {FORMAT}: update it"
        )
    try:
        return _Meta.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(
            f"{where} has a meta that cannot be used: {place} is {shown(first['input'])}"
            f" ({one_line(first['msg'])})"
        ) from None


def _checked_spec(where: str, meta: _Meta, arrays: dict[str, NDArray]) -> EnvironmentSpec:
    """The environment, if its description is sound and the arrays are of its types."""
    spec = meta.spec
    try:
        sound = describe_spaces(where, spec.id, *spaces_of(spec)) == spec
    # The ways in which Gymnasium and NumPy refuse bounds, shapes and types.
    except (ValueError, TypeError, AssertionError, OverflowError, MemoryError) as error:
        raise UserError(f"{where} describes no environment: {one_line(error)}") from None
    if not sound:
        raise UserError(f"{where} describes no environment: {one_line(spec)}")
    for name, (dtype, dimensions) in _ARRAYS.items():
        array = arrays[name]
        dtype = dtype or spec.action_dtype
        dimensions = dimensions or 1 + len(spec.action_shape)
        if array.dtype != np.dtype(dtype) or array.ndim != dimensions:
            raise UserError(
                f"{where} has {name} of type {array.dtype} and {array.ndim} dimensions; allowed:"
                f" {dtype} and {dimensions}"
            )
    return spec


def _check_lengths(where: str, arrays: dict[str, NDArray]) -> None:
    """Refuses arrays of which one is too long or too short."""
    count = len(arrays["steps"])
    # Of Python's integers, which do not overflow.
    total = sum(arrays["steps"].tolist())
    expected = {
        "observations": total + count,
        "actions": total,
        "rewards": total,
        "terminated": count,
        "truncated": count,
    }
    for name, length in expected.items():
        if len(arrays[name]) != length:
            raise UserError(
                f"{where} has {len(arrays[name])} rows of {name}; its lengths add up to {length}"
            )
