"""The training driver: where it arrives, when it stops, what it gives back, what it compiles."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mbrl import Episode, FitResult, Replay, fit, make_fitter


def squared_error(scales, params, key, batch):
    del key
    inputs, targets = batch
    return jnp.mean(jnp.square(scales * (inputs @ params) - targets))


def test_least_squares_arrives_at_the_closed_form(key):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(40, 3)).astype(np.float32)
    targets = (inputs @ [1.0, -2.0, 0.5] + rng.normal(size=40)).astype(np.float32)
    scales = 2.0
    best, *_ = np.linalg.lstsq(scales * inputs, targets)

    def draw(epoch):
        return np.broadcast_to(inputs, (50, 40, 3)), np.broadcast_to(targets, (50, 40))

    fitter = make_fitter(squared_error, optax.sgd(0.05))
    result = fit(
        fitter, scales, fitter.init(jnp.zeros(3)), key,
        draw_batches=draw, holdout=(inputs, targets), min_epochs=1, max_epochs=8, patience=8,
    )  # fmt: skip
    assert result.trainable.average == pytest.approx(best, abs=1e-4)
    error = np.mean((scales * inputs @ best - targets) ** 2)
    assert result.holdout_loss == pytest.approx(error, rel=1e-4)


# A walk: each epoch adds 1 to the parameter, and its held-out loss is the distance from a target.


def walk(scales, params, key, batch):
    del scales, key
    return jnp.where(batch["train"], -params, jnp.abs(params - batch["target"]))


FITTER = make_fitter(walk, optax.sgd(lambda count: 1.0))


def walk_towards(target: float, start: float = 0.0, fitter=FITTER, **knobs) -> FitResult:
    def draw(epoch):
        return {"train": np.array([True]), "target": np.array([0.0], np.float32)}

    return fit(
        fitter, None, fitter.init(jnp.float32(start)), jax.random.key(0), draw_batches=draw,
        holdout={"train": np.array(False), "target": np.float32(target)}, **knobs,
    )  # fmt: skip


def steps_taken(result: FitResult) -> int:
    (count,) = [leaf for leaf in jax.tree.leaves(result.trainable.opt_state) if leaf.ndim == 0]
    return int(count)


def test_the_best_weights_are_given_back_with_the_optimisers_state_of_the_same_moment():
    result = walk_towards(3.0, min_epochs=1, max_epochs=20, patience=2)
    assert result.trainable.params == 3.0
    assert steps_taken(result) == 3
    assert result.holdout_loss == 0.0
    assert result.epochs == 5  # the best, and as many more as patience allows


@pytest.mark.parametrize(("patience", "epochs"), [(1, 4), (2, 5), (4, 7)])
def test_patience_counts_the_epochs_without_improvement(patience, epochs):
    result = walk_towards(3.0, min_epochs=1, max_epochs=20, patience=patience)
    assert (result.epochs, result.trainable.params) == (epochs, 3.0)


def test_an_equally_good_epoch_is_no_improvement():
    result = walk_towards(3.5, min_epochs=1, max_epochs=20, patience=2)
    assert (result.epochs, result.trainable.params) == (5, 3.0)  # 4 is as far from 3.5


def test_weights_from_before_the_smallest_number_of_epochs_are_never_given_back():
    result = walk_towards(2.0, min_epochs=5, max_epochs=20, patience=2)
    assert result.trainable.params == 5.0
    assert result.epochs == 7  # patience begins with the first epoch that counts


def test_with_no_smallest_number_of_epochs_a_fit_may_give_back_what_it_was_given():
    result = walk_towards(7.0, 8.0, min_epochs=0, max_epochs=20, patience=2)
    assert (result.trainable.params, steps_taken(result)) == (8.0, 0)
    assert (result.epochs, result.holdout_loss) == (2, 1.0)


def test_training_stops_at_the_largest_number_of_epochs():
    result = walk_towards(100.0, min_epochs=1, max_epochs=6, patience=2)
    assert (result.epochs, result.trainable.params) == (6, 6.0)


def test_a_fit_goes_on_where_the_last_one_ended():
    assert walk_towards(100.0, 7.0, min_epochs=1, max_epochs=1, patience=1).trainable.params == 8.0


@pytest.mark.parametrize("target", [np.nan, np.inf])
def test_a_held_out_loss_that_is_not_finite_gives_back_the_weights_as_they_were(target):
    result = walk_towards(target, 7.0, min_epochs=2, max_epochs=20, patience=3)
    assert result.trainable.params == 7.0
    assert steps_taken(result) == 0
    assert not np.isfinite(result.holdout_loss)
    assert result.epochs == 5


def test_what_is_judged_and_used_is_the_moving_average_of_the_parameters():
    fitter = make_fitter(walk, optax.sgd(lambda count: 1.0), averaging=0.6)
    result = walk_towards(3.0, fitter=fitter, min_epochs=1, max_epochs=20, patience=2)
    average, averages = 0.0, []
    for t in range(20):  # the parameter is t + 1 after minibatch t
        decay = min(0.6, (1 + t) / (10 + t))
        average = decay * average + (1 - decay) * (t + 1)
        averages.append(average)
    best = int(np.argmin(np.abs(np.array(averages) - 3.0)))
    assert result.trainable.average == pytest.approx(averages[best])
    assert result.holdout_loss == pytest.approx(abs(averages[best] - 3.0), rel=1e-4)
    # Training itself goes on from where the optimiser was, at the same moment.
    assert result.trainable.params == result.trainable.steps == steps_taken(result) == best + 1


def test_without_averaging_the_latest_parameters_are_used_as_they_are():
    trainable = walk_towards(3.0, min_epochs=1, max_epochs=20, patience=2).trainable
    assert trainable.average == trainable.params == 3.0


@pytest.mark.parametrize("options", [None, {"xla_backend_optimization_level": 0}])
def test_an_epoch_is_compiled_as_asked(options):
    fitter = make_fitter(walk, optax.sgd(lambda count: 1.0), compiler_options=options)
    result = walk_towards(3.0, fitter=fitter, min_epochs=1, max_epochs=20, patience=2)
    assert (result.trainable.params, result.epochs) == (3.0, 5)


def test_options_reach_the_compiler_of_an_epoch():
    options = {"xla_of_nobody": 1}
    fitter = make_fitter(walk, optax.sgd(lambda count: 1.0), compiler_options=options)
    with pytest.raises(jax.errors.JaxRuntimeError, match="xla_of_nobody"):
        walk_towards(3.0, fitter=fitter, min_epochs=1, max_epochs=20, patience=2)


def test_epochs_are_compared_under_the_same_noise_and_trained_under_fresh_noise(key):
    def noisy(scales, params, key, batch):
        noise = jax.random.normal(key)
        return jnp.where(batch["train"], params * noise, noise)

    fitter = make_fitter(noisy, optax.sgd(1.0))
    seen = []

    def evaluate(*args):
        seen.append((float(args[1]), float(fitter.evaluate(*args))))
        return seen[-1][1]

    draw = {"train": np.array([True, True])}
    fit(
        fitter._replace(evaluate=evaluate), None, fitter.init(jnp.float32(0.0)), key,
        draw_batches=lambda epoch: draw, holdout={"train": np.array(False)},
        min_epochs=1, max_epochs=4, patience=4,
    )  # fmt: skip
    params, losses = np.array(seen).T
    assert len(set(losses)) == 1
    assert len(set(np.diff(params))) == 3


def test_each_minibatch_of_an_epoch_has_noise_of_its_own(key):
    def noisy(scales, params, key, batch):
        return params[batch] * jax.random.normal(key)

    fitter = make_fitter(noisy, optax.sgd(1.0))
    moved = fitter.epoch(None, fitter.init(jnp.zeros(4)), key, np.arange(4)).params
    assert len(set(moved.tolist()) - {0.0}) == 4


def test_a_growing_replay_compiles_nothing(key):
    traces = []

    def loss(scales, params, key, batch):
        traces.append(batch.reward.shape)
        return jnp.mean(jnp.square(params - batch.reward))

    fitter, replay = make_fitter(loss, optax.sgd(0.1)), Replay(
        members=2, repeat=1, holdout=0.5, seed=0
    )  # fmt: skip
    trainable, counts = fitter.init(jnp.float32(0.0)), []
    for size in (3, 5, 40):
        for _ in range(2):
            replay.append(
                Episode(
                    observations=np.zeros((size + 1, 2), np.float32),
                    actions=np.zeros((size, 1), np.float32),
                    holds=np.ones(size, np.int32),
                    rewards=np.ones(size, np.float32),
                    terminated=True,
                )
            )
        trainable = fit(
            fitter, None, trainable, key,
            draw_batches=lambda epoch: replay.draw_transitions(epoch, 2, 4),
            holdout=replay.held_out_transitions(8), min_epochs=2, max_epochs=3, patience=1,
        ).trainable  # fmt: skip
        counts.append(len(traces))
    assert counts[0] >= 2  # one for training, one for evaluation
    assert counts == [counts[0]] * 3
    assert trainable.params > 0.5
