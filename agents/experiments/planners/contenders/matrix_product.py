"""The ceiling: `contenders/matrix_product.py WORKLOAD.npz`; see `protocol`.

No plan can be faster than its matrix products, and those no faster than one large product. A "plan"
is a product of two 2048 x 2048 matrices in single precision, by XLA on all cores, with its time
scaled to the multiplications and additions that a plan of the workload needs.
"""

import protocol
from protocol import Peer, Predicted, Workload

_SIDE = 2048


def build(workload: Workload) -> Peer:
    """Gives the product the workload's size."""
    import jax
    import numpy as np

    from agents.devices import cores

    values = np.random.default_rng(0).normal(size=(2, _SIDE, _SIDE)).astype(np.float32)
    left, right = jax.device_put(values[0]), jax.device_put(values[1])
    product = jax.jit(jax.numpy.matmul)

    def check() -> Predicted:
        raise protocol.UnusableError("the matrix product predicts nothing")

    def plan() -> int:
        product(left, right).block_until_ready()
        return workload.evaluations

    return Peer(
        name=f"matrix product of {_SIDE}",
        threads=cores(),
        check=check,
        plan=plan,
        scale=workload.flops / (2 * _SIDE**3),
    )


if __name__ == "__main__":
    protocol.serve(build)
