"""What every test starts from: the CPU, a fixed key, and single precision unless told otherwise."""

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

# Before JAX is first imported, here or by a test: a machine's accelerator would add start-up time
# and noise in the last digits to tests that are written for neither.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Most of the tests' time is compilation, so that it is done with little effort, and kept: many
# programs are alike, and all run only briefly. `XLA_FLAGS= pytest` compiles as the commands do.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    " --xla_cpu_use_fusion_emitters=false",
)
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "compiled")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")

import hypothesis
import jax
import pytest

# Tracing makes and drops objects by the million; collecting them as seldom as this is 5 % faster.
gc.set_threshold(100_000, 50, 100)

# A shell that starts the tests in the background has interrupts ignored, and children inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same few examples on every machine, however busy it is; the first of them compiles.
hypothesis.settings.register_profile(
    "mbrl", max_examples=25, deadline=None, derandomize=True, database=None
)
hypothesis.settings.load_profile("mbrl")


@pytest.fixture
def key() -> jax.Array:
    """A random key, always the same."""
    return jax.random.key(0)


@pytest.fixture
def float64() -> Iterator[None]:
    """Double precision for one test, for comparisons with a closed form to many digits."""
    with jax.enable_x64(True):
        yield
