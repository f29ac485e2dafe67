"""What a process computes with: all cores, all accelerators, and programs compiled before.

The commands call `prepare` before JAX starts. Importing the library sets nothing.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

from agents.errors import UserError, one_line, shown

COMPILER_OPTIONS = {"xla_backend_optimization_level": 1}
"""For all that computes with networks on processors. Its time goes into matrix products, which come
compiled; the rest is compiled faster and, as far as we could measure, runs no slower. Leaving out
XLA's fusion emitters too would save another half second, and make the denoising autoencoder four
times slower in a plan."""


def compiler_options() -> dict[str, Any] | None:
    """`COMPILER_OPTIONS` where JAX computes on a processor, else None."""
    import jax

    return COMPILER_OPTIONS if jax.default_backend() == "cpu" else None


def compiled(function: Callable, *, once: bool = False) -> Any:
    """`function`, compiled with `compiler_options`; with the least effort if it runs only once."""
    import jax

    options = compiler_options()
    if once and options is not None:
        options = dict.fromkeys(options, 0)
    return jax.jit(function, compiler_options=options)


def prepare(share: int | None = None) -> None:
    """Lets JAX use every core as a device of its own, and keep what it compiles.

    Plain XLA gains little from a second core where matrices are small (1.2 to 1.4 times, measured);
    with a device per core the candidates of a plan are divided among them (`mbrl.parallel`).
    Accelerators, where there are any, are used instead and are not affected. What the environment
    sets already, a flag in `XLA_FLAGS` or `JAX_COMPILATION_CACHE_DIR`, is left alone; an empty
    `JAX_COMPILATION_CACHE_DIR` means no cache. Where JAX has been imported already, as when a
    command is called from within another program, that program has decided, and nothing is changed.

    Args:
      share: how many of the cores to use, where other processes use the rest; all when None.

    Raises:
      UserError: the environment asks for double precision, or for a platform that is not there.
    """
    if "jax" in sys.modules:
        _refuse_double_precision(sys.modules["jax"].config.jax_enable_x64)
        return
    _refuse_double_precision(_asks_for("JAX_ENABLE_X64"))
    given, ours = os.environ.get("XLA_FLAGS", ""), []
    count = cores() if share is None else share
    if share is not None:
        os.environ.setdefault("PJRT_NPROC", str(share))  # JAX makes a thread a core otherwise
    if "vector_width" not in given:
        # All that AVX-512 has: XLA would use half of it, and plans took a fifth longer (measured).
        ours.append("--xla_cpu_prefer_vector_width=512")
    if "device_count" not in given and (count > 1 or share is not None):
        ours.append(f"--xla_force_host_platform_device_count={count}")
        # A product that spreads over the cores by itself would get in the others' way.
        ours.append("--xla_cpu_multi_thread_eigen=false")
    os.environ["XLA_FLAGS"] = " ".join([given, *ours]).strip()
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if not base.startswith("~"):  # there is a home directory
        cache = os.path.join(base, "mbrl-dae", "compiled")
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", cache)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
    platforms = os.environ.get("JAX_PLATFORMS", "")
    if platforms not in ("", "cpu"):
        _refuse_missing(platforms)


def _asks_for(name: str) -> bool:
    """Whether an environment variable of JAX's is set to true, as JAX reads it."""
    return os.environ.get(name, "").lower() in ("y", "yes", "t", "true", "on", "1")


def _refuse_double_precision(wanted: bool) -> None:
    if wanted:
        raise UserError(
            "JAX_ENABLE_X64 is on, and this program computes in single precision; set it to 0"
        )


def _refuse_missing(platforms: str) -> None:
    """Starts JAX, and refuses platforms that are not there."""
    import jax

    try:
        jax.devices()
    # The second where a platform is known and its plugin is not installed.
    except (RuntimeError, AssertionError) as error:
        reason = one_line(error) or "it finds no such device"
        raise UserError(
            f"JAX_PLATFORMS: {shown(platforms)} cannot be used ({reason}); an NVIDIA GPU needs a"
            " driver and the extra 'cuda': python -m pip install -c constraints.txt -e '.[cuda]';"
            " give cpu to compute without one"
        ) from None


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
