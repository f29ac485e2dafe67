"""The JSON form of what a checkpoint holds, with the arrays beside it in a list.

In the place of an array stands its number in the list, with what NumPy's own files do not keep: the
name of its type, since types of JAX's own such as bfloat16 are unknown there, and the kind of a
typed key.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from agents.errors import UserError

_REFERENCE = "$array"  # marks where an array goes


def encode_state(state: Any, arrays: list[np.ndarray]) -> dict[str, Any]:
    """The form of a pytree, the leaves by their paths; TypeError as `encode`."""
    return {path: _encode_leaf(leaf, path, arrays) for path, leaf in _leaves(state).items()}


def encode(node: Any, name: str, arrays: list[np.ndarray]) -> Any:
    """The form of nested dicts and lists of NumPy arrays, Python numbers, strings and None.

    Its arrays are added to the list; `name` stands for it in messages.

    Raises:
      TypeError: something is of a kind that could not come back as it is.
    """
    if isinstance(node, np.ndarray):
        return _encode_leaf(node, name, arrays)
    if isinstance(node, Mapping):
        for key in node:
            if not isinstance(key, str) or key == _REFERENCE:
                raise TypeError(f"{name} has the key {key!r}: only strings but {_REFERENCE!r}")
        return {key: encode(child, f"{name}[{key!r}]", arrays) for key, child in node.items()}
    if isinstance(node, list):
        return [encode(child, f"{name}[{i}]", arrays) for i, child in enumerate(node)]
    if node is None or type(node) in (bool, int, float, str):
        return node
    raise TypeError(
        f"{name} is a {type(node).__name__}: only dicts, lists, NumPy arrays, Python numbers, "
        "strings and None can be saved"
    )


def decode(node: Any, arrays: list[np.ndarray]) -> Any:
    """Undoes `encode`, and `encode_state` up to the structure and the kinds of leaves."""
    if isinstance(node, list):
        return [decode(child, arrays) for child in node]
    if not isinstance(node, dict):
        return node
    if _REFERENCE not in node:
        return {key: decode(child, arrays) for key, child in node.items()}
    array = arrays[node[_REFERENCE]].view(node["dtype"])
    if node["key"] is None:
        return array
    return jax.random.wrap_key_data(jnp.array(array), impl=node["key"])


def into_target(where: str, saved: Mapping[str, Any], target: Any) -> Any:
    """The target's tree, filled from leaves by their paths; UserError at the first misfit."""
    misfit = f"{where} does not fit this run"
    wanted = _leaves(target)
    for name in [*wanted, *saved]:
        if name not in saved:
            raise UserError(f"{misfit}: it has no {name}")
        if name not in wanted:
            raise UserError(f"{misfit}: {name} is unknown here")
        there, here = (_type_and_shape(leaf) for leaf in (saved[name], wanted[name]))
        if there != here:
            raise UserError(f"{misfit}: {name} is {there} there and {here} here")
    filled = [_like(leaf, saved[name]) for name, leaf in wanted.items()]
    return jax.tree.unflatten(jax.tree.structure(target), filled)


def _leaves(tree: Any) -> dict[str, Any]:
    paths = jax.tree_util.tree_leaves_with_path(tree)
    return {f"state{jax.tree_util.keystr(path)}": leaf for path, leaf in paths}


def _encode_leaf(leaf: Any, name: str, arrays: list[np.ndarray]) -> dict[str, Any]:
    key = None
    if _is_key(leaf):
        key, leaf = str(jax.random.key_impl(leaf)), jax.random.key_data(leaf)
    elif not isinstance(leaf, jax.Array | np.ndarray | np.generic | bool | int | float):
        raise TypeError(f"{name} is a {type(leaf).__name__}: only arrays and numbers can be saved")
    array = np.asarray(leaf)
    plain = jnp.issubdtype(array.dtype, jnp.number) or array.dtype == np.bool_
    if not plain or not array.dtype.isnative:
        raise TypeError(f"{name} has dtype {array.dtype}: only native numbers can be saved")
    arrays.append(array)
    return {_REFERENCE: len(arrays) - 1, "dtype": array.dtype.name, "key": key}


def _is_key(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _type_and_shape(leaf: Any) -> str:
    array = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
    return f"{array.dtype}{list(array.shape)}"


def _like(leaf: Any, array: Any) -> Any:
    """`array` as the kind of thing that `leaf` is."""
    if isinstance(leaf, np.generic):
        return array[()]
    if isinstance(leaf, np.ndarray) or _is_key(leaf):
        return array
    if isinstance(leaf, bool | int | float):
        return array.item()
    if leaf.weak_type:
        # A strong type in its place would make every jitted function trace again.
        weak = jnp.full(leaf.shape, array.dtype.type(0).item())
        if weak.dtype == array.dtype:
            return weak.at[...].set(array)
    return jnp.array(array)
