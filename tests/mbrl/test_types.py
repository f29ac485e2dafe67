"""The records: frozen pytrees, given by name."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from mbrl import Evaluation, StepOutput


def step_output(size: int) -> StepOutput:
    return StepOutput(
        observation=jnp.arange(float(size)), reward=jnp.ones(()), continue_prob=jnp.ones(())
    )


def test_a_record_cannot_be_changed():
    output = step_output(2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        output.reward = jnp.zeros(())  # pyright: ignore[reportAttributeAccessIssue]


def test_a_record_takes_its_fields_by_name_only():
    with pytest.raises((TypeError, ValueError)):
        Evaluation(1.0, 2.0, 3.0, 4.0)  # pyright: ignore[reportCallIssue]


def test_a_record_is_a_pytree_that_passes_through_jit_and_vmap():
    def double(output: StepOutput) -> StepOutput:
        return jax.tree.map(lambda leaf: 2 * leaf, output)

    batch = jax.tree.map(lambda leaf: jnp.stack([leaf, 3 * leaf]), step_output(2))
    doubled = jax.jit(jax.vmap(double))(batch)
    assert isinstance(doubled, StepOutput)
    assert doubled.observation.tolist() == [[0.0, 2.0], [0.0, 6.0]]
    assert doubled.reward.tolist() == [2.0, 6.0]


def test_tests_run_on_the_cpu_in_single_precision():
    assert jax.default_backend() == "cpu"
    assert jnp.zeros(()).dtype == jnp.float32


def test_double_precision_ends_with_the_test_that_asked_for_it():
    function = jax.jit(lambda x: x + 1)
    with jax.enable_x64(True):
        assert function(1.0).dtype == jnp.float64
    assert function(1.0).dtype == jnp.float32


@pytest.mark.usefixtures("float64")
def test_double_precision_holds_throughout_a_test_that_asks_for_it():
    assert jax.random.normal(jax.random.key(0)).dtype == jnp.float64
