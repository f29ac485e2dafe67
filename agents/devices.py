"""What a process computes with: all cores, all accelerators, and programs compiled before.

The commands call `prepare` before JAX starts. Importing the library sets nothing.
"""

import os
import sys
from pathlib import Path
from typing import Any

COMPILER_OPTIONS = {"xla_backend_optimization_level": 1}
"""For plans and fits on processors. Their time goes into matrix products, which come compiled; the
rest is compiled faster and, as far as we could measure, runs no slower. Leaving out XLA's fusion
emitters too would save another half second, and make the denoising autoencoder four times
slower in a plan."""


def compiler_options() -> dict[str, Any] | None:
    """`COMPILER_OPTIONS` where JAX computes on a processor, else None."""
    import jax

    return COMPILER_OPTIONS if jax.default_backend() == "cpu" else None


def prepare(share: int | None = None) -> None:
    """Lets JAX use every core as a device of its own, and keep what it compiles.

    Plain XLA gains little from a second core where matrices are small (1.2 to 1.4 times, measured);
    with a device per core the candidates of a plan are divided among them (`mbrl.parallel`).
    Accelerators, where there are any, are used instead and are not affected. What the environment
    sets already, in `XLA_FLAGS` or `JAX_COMPILATION_CACHE_DIR`, is left alone; an empty
    `JAX_COMPILATION_CACHE_DIR` means no cache. Where JAX has been imported already, as when a
    command is called from within another program, that program has decided, and nothing is changed.

    Args:
      share: how many of the cores to use, where other processes use the rest; all when None.
    """
    if "jax" in sys.modules:
        return
    flags = os.environ.get("XLA_FLAGS", "")
    count = cores() if share is None else share
    if share is not None:
        os.environ.setdefault("PJRT_NPROC", str(share))  # JAX makes a thread a core otherwise
    if "device_count" not in flags and (count > 1 or share is not None):
        # A product that spreads over the cores by itself would get in the others' way.
        ours = f"--xla_force_host_platform_device_count={count} --xla_cpu_multi_thread_eigen=false"
        os.environ["XLA_FLAGS"] = f"{flags} {ours}".strip()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "mbrl-dae", "compiled")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
