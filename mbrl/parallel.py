"""One plan on several devices: candidates, or environments, divided among them.

`spread(devices)` gives functions that belong together. Inside `jit`, every device computes the
same, except that a `vmap` from here is divided: each device maps its share of the rows, and all of
them receive all the results. A planner uses it for the evaluation of its candidates, which takes
nearly all of its time. The update from their scores is cheap, and each device repeats it, so that
plans do not depend on the number of devices.

    over = mbrl.spread(jax.devices())
    planner = mbrl.make_cem(proposal, mbrl.Search(vmap=over.vmap))
    plan = over.jit(lambda key, state: planner.plan(score_fn, key, state))

Processor cores count as devices when JAX is configured so before it starts. This is faster where
matrices are too small for one product to use several cores.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

_AXIS = "devices"


class Spread(NamedTuple):
    """How to use several devices.

    Attributes:
      count: devices, >= 1.
      vmap: like ``jax.vmap(function)`` with all arguments batched along their first axis, which
        is divided among the devices. Any number of rows will do. Only within what
        `jit` compiles.
      loop: the same, but a device maps its rows one after the other, for rows that fill its cache
        by themselves.
      jit: ``jit(function, **options)`` is `function`, compiled for all devices at once, with
        replicated arguments.
      place: ``place(tree)``, the same arrays on all devices. What `jit` is given otherwise, it
        copies to them in every call, and is traced a second time where its own results come back.
    """

    count: int
    vmap: Callable[[Callable], Callable]
    loop: Callable[[Callable], Callable]
    jit: Callable[..., Any]
    place: Callable[[Any], Any]


def one_by_one(function: Callable) -> Callable:
    """Like ``jax.vmap(function)``, in a loop."""
    return lambda *rows: jax.lax.map(lambda row: function(*row), rows)


def _gathered(rows: Any) -> Any:
    """The rows of all devices, by one exchange a dtype: in each, all wait for the slowest."""
    leaves, tree = jax.tree.flatten(rows)
    for dtype in dict.fromkeys(leaf.dtype for leaf in leaves):
        places = [place for place, leaf in enumerate(leaves) if leaf.dtype == dtype]
        flat = [leaves[place].reshape(len(leaves[place]), -1) for place in places]
        ends = np.cumsum([each.shape[1] for each in flat])[:-1]
        together = jax.lax.all_gather(jnp.concatenate(flat, axis=1), _AXIS, tiled=True)
        for place, each in zip(places, jnp.split(together, ends, axis=1), strict=True):
            leaves[place] = each.reshape(len(each), *leaves[place].shape[1:])
    return jax.tree.unflatten(tree, leaves)


def spread(devices: Sequence[Any]) -> Spread:
    """Divides the rows of a `vmap` among devices.

    Args:
      devices: of one kind, such as ``jax.devices()``; with one of them nothing changes.
    """
    count = len(devices)
    if count == 1:
        return Spread(count=1, vmap=jax.vmap, loop=one_by_one, jit=jax.jit, place=lambda tree: tree)
    mesh, everywhere = Mesh(np.asarray(devices), (_AXIS,)), PartitionSpec()
    replicated = NamedSharding(mesh, everywhere)

    def divided(each: Callable[[Callable], Callable], function: Callable) -> Callable:
        def mapped(*rows):
            total = jax.tree.leaves(rows)[0].shape[0]
            share = -(-total // count)
            # The last device may have fewer rows; it repeats the last one, which is dropped below.
            first = jax.lax.axis_index(_AXIS) * share
            index = jnp.minimum(first + jnp.arange(share), total - 1)
            results = each(function)(*jax.tree.map(lambda leaf: leaf[index], rows))
            return jax.tree.map(lambda leaf: leaf[:total], _gathered(results))

        return mapped

    def jit(function: Callable, **options: Any) -> Any:
        shared = jax.shard_map(
            function, mesh=mesh, in_specs=everywhere, out_specs=everywhere, check_vma=False
        )
        return jax.jit(shared, in_shardings=replicated, **options)

    return Spread(
        count=count,
        vmap=partial(divided, jax.vmap),
        loop=partial(divided, one_by_one),
        jit=jit,
        place=lambda tree: jax.device_put(tree, replicated),
    )
