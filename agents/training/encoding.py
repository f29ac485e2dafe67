"""Arrays to bytes and back, beside a table of their names, types and shapes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from agents.errors import UserError, shown

_REFERENCE = "$array"  # marks, in the JSON form of `arrays`, where an array goes


def _is_key(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def append(table: list[dict[str, Any]], blocks: list[bytes], name: str, leaf: Any) -> None:
    """Adds one array to the table and to the bytes.

    Raises:
        TypeError: it is of a kind that could not come back as it is.
    """
    entry: dict[str, Any] = {"name": name}
    if _is_key(leaf):
        entry |= {"key": str(jax.random.key_impl(leaf)), "type": str(leaf.dtype)}
        leaf = jax.random.key_data(leaf)
    elif not isinstance(leaf, jax.Array | np.ndarray | np.generic | bool | int | float):
        raise TypeError(f"{name} is a {type(leaf).__name__}: only arrays and numbers can be saved")
    data = np.asarray(leaf)
    plain = jnp.issubdtype(data.dtype, jnp.number) or data.dtype == np.bool_
    if not plain or not data.dtype.isnative:
        raise TypeError(f"{name} has dtype {data.dtype}: only native numbers can be saved")
    entry |= {"dtype": data.dtype.name, "shape": list(data.shape), "bytes": data.nbytes}
    table.append(entry)
    blocks.append(data.tobytes())


def decode_leaf(entry: Mapping[str, Any], piece: bytes) -> np.ndarray:
    """One array out of its bytes."""
    # A copy, since an array over bytes is read-only.
    return np.frombuffer(piece, np.dtype(entry["dtype"])).reshape(entry["shape"]).copy()


def encode(node: Any, name: str, table: list[dict[str, Any]], blocks: list[bytes]) -> Any:
    """The JSON form of `arrays`, arrays replaced by their place in the table."""
    if isinstance(node, np.ndarray):
        append(table, blocks, name, node)
        return {_REFERENCE: len(table) - 1}
    if isinstance(node, Mapping):
        for key in node:
            if not isinstance(key, str) or key == _REFERENCE:
                raise TypeError(f"{name} has the key {key!r}: only strings but {_REFERENCE!r}")
        return {
            key: encode(child, f"{name}[{key!r}]", table, blocks) for key, child in node.items()
        }
    if isinstance(node, list):
        return [encode(child, f"{name}[{i}]", table, blocks) for i, child in enumerate(node)]
    if node is None or type(node) in (bool, int, float, str):
        return node
    raise TypeError(
        f"{name} is a {type(node).__name__}: only dicts, lists, NumPy arrays, Python numbers, "
        "strings and None can be saved"
    )


def decode(node: Any, pieces: list[np.ndarray]) -> Any:
    """Undoes `encode`."""
    if isinstance(node, dict):
        if _REFERENCE in node:
            return pieces[node[_REFERENCE]]
        return {key: decode(child, pieces) for key, child in node.items()}
    if isinstance(node, list):
        return [decode(child, pieces) for child in node]
    return node


def into_target(
    path: Path, table: list[dict[str, Any]], pieces: list[np.ndarray], target: Any
) -> Any:
    """The target's tree, filled; UserError at the first leaf that does not fit."""
    misfit = f"checkpoint {shown(str(path))} does not fit this run"
    leaves, structure = jax.tree_util.tree_flatten_with_path(target)
    wanted = {f"state{jax.tree_util.keystr(key)}": leaf for key, leaf in leaves}
    saved = {entry["name"]: (entry, piece) for entry, piece in zip(table, pieces, strict=True)}
    for name in [*wanted, *saved]:
        if name not in saved:
            raise UserError(f"{misfit}: it has no {name}")
        if name not in wanted:
            raise UserError(f"{misfit}: {name} is unknown here")
        entry, data = saved[name]
        expected = _type_and_shape(wanted[name])
        shape = data.shape[:-1] if "key" in entry else data.shape
        found = (entry.get("type", entry["dtype"]), tuple(shape))
        if found != expected:
            raise UserError(
                f"{misfit}: {name} is {found[0]}{list(found[1])} there and "
                f"{expected[0]}{list(expected[1])} here"
            )
    filled = [_like(leaf, *saved[name]) for name, leaf in wanted.items()]
    return jax.tree_util.tree_unflatten(structure, filled)


def _type_and_shape(leaf: Any) -> tuple[str, tuple[int, ...]]:
    if hasattr(leaf, "dtype"):
        return str(leaf.dtype), tuple(leaf.shape)
    return str(np.asarray(leaf).dtype), ()


def _like(leaf: Any, entry: Mapping[str, Any], data: np.ndarray) -> Any:
    """`data` as the kind of thing that `leaf` is."""
    if isinstance(leaf, np.generic):
        return data[()]
    if isinstance(leaf, np.ndarray):
        return data
    if isinstance(leaf, bool | int | float):
        return data.item()
    if "key" in entry:
        return jax.random.wrap_key_data(jnp.array(data), impl=entry["key"])
    if leaf.weak_type:
        # A strong type in its place would make every jitted function trace again.
        weak = jnp.full(leaf.shape, data.dtype.type(0).item())
        if weak.dtype == data.dtype:
            return weak.at[...].set(data)
    return jnp.array(data)
