"""Fits: convergence, early stopping, the weights returned, compilation."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mbrl import Episode, FitResult, Replay, fit, make_fitter, median_of_rows


def squared_error(scales, params, key, batch):
    del key
    inputs, targets = batch
    return jnp.mean(jnp.square(scales * (inputs @ params) - targets))


def test_least_squares_converges_to_the_closed_form(key):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(40, 3)).astype(np.float32)
    targets = (inputs @ [1.0, -2.0, 0.5] + rng.normal(size=40)).astype(np.float32)
    scales = 2.0
    best, *_ = np.linalg.lstsq(scales * inputs, targets)

    def draw(epoch):
        return np.broadcast_to(inputs, (50, 40, 3)), np.broadcast_to(targets, (50, 40))

    fitter = make_fitter(squared_error, optax.sgd(0.05), averaging=0.0)
    result = fit(
        fitter, scales, fitter.init(jnp.zeros(3)), key,
        draw_batches=draw, holdout=(inputs, targets), min_epochs=1, max_epochs=8, patience=8,
    )  # fmt: skip
    assert result.trainable.average == pytest.approx(best, abs=1e-4)
    error = np.mean((scales * inputs @ best - targets) ** 2)
    assert result.holdout_loss == pytest.approx(error, rel=1e-4)


@pytest.mark.parametrize("axis", [0, 1])
def test_the_median_of_rows_is_of_every_row_alone_whatever_axis_they_lie_along(axis, key):
    rng = np.random.default_rng(1)
    inputs, targets = rng.normal(size=(7, 3)), rng.normal(size=7)
    targets[0] = 1e6  # an outlier, which the mean would be of
    params = np.array([1.0, -2.0, 0.5])
    rows = np.square(2.0 * (inputs @ params) - targets)
    batch = np.expand_dims(inputs, 1 - axis), np.expand_dims(targets, 1 - axis)
    found = median_of_rows(squared_error, axis)(2.0, params, key, batch)
    assert found == pytest.approx(np.median(rows), rel=1e-4)


def test_a_judge_chooses_the_weights_and_the_loss_trains_them(key):
    def draw(epoch):
        return np.ones((10, 1, 1), np.float32), np.ones((10, 1), np.float32)

    holdout = np.ones((3, 1), np.float32), np.array([1.0, 1.0, -1e3], np.float32)
    kept = {}
    for name, judge in (("mean", None), ("median", median_of_rows(squared_error))):
        fitter = make_fitter(squared_error, optax.sgd(0.02), judge=judge, averaging=0.0)
        result = fit(
            fitter, 1.0, fitter.init(jnp.zeros(1)), key,
            draw_batches=draw, holdout=holdout, min_epochs=0, max_epochs=20, patience=2,
        )  # fmt: skip
        kept[name] = float(result.trainable.average[0])
    assert kept["mean"] == 0.0  # every step is away from the outlier
    assert kept["median"] == pytest.approx(1.0, abs=1e-3)


# A walk: each epoch adds 1 to the parameter, and its held-out loss is the distance from a target.


def walk(scales, params, key, batch):
    del scales, key
    return jnp.where(batch["train"], -params, jnp.abs(params - batch["target"]))


FITTER = make_fitter(walk, optax.sgd(lambda count: 1.0), averaging=0.0)


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


EARLY_STOPPING = {
    # target, first parameter, options; parameter, its steps, epochs and held-out loss returned
    "the best weights": (3.0, 0.0, (1, 20, 2), 3.0, 3, 5, 0.0),
    "patience of 1": (3.0, 0.0, (1, 20, 1), 3.0, 3, 4, 0.0),
    "patience of 4": (3.0, 0.0, (1, 20, 4), 3.0, 3, 7, 0.0),
    "an equal epoch is no improvement": (3.5, 0.0, (1, 20, 2), 3.0, 3, 5, 0.5),
    "never before min_epochs": (2.0, 0.0, (5, 20, 2), 5.0, 5, 7, 3.0),
    "the initial weights": (7.0, 8.0, (0, 20, 2), 8.0, 0, 2, 1.0),
    "max_epochs": (100.0, 0.0, (1, 6, 2), 6.0, 6, 6, 94.0),
    "from other initial weights": (100.0, 7.0, (1, 1, 1), 8.0, 1, 1, 92.0),
}


@pytest.mark.parametrize("name", EARLY_STOPPING)
def test_the_best_weights_are_returned_with_the_state_of_the_same_step(name):
    target, start, limits, param, steps, epochs, loss = EARLY_STOPPING[name]
    options = dict(zip(("min_epochs", "max_epochs", "patience"), limits, strict=True))
    result = walk_towards(target, start, **options)
    assert (result.trainable.params, steps_taken(result)) == (param, steps)
    assert result.trainable.average == param
    assert (result.epochs, result.holdout_loss) == (epochs, loss)


@pytest.mark.parametrize("target", [np.nan, np.inf])
def test_a_held_out_loss_that_is_not_finite_returns_the_initial_weights(target):
    result = walk_towards(target, 7.0, min_epochs=2, max_epochs=20, patience=3)
    assert result.trainable.params == 7.0
    assert steps_taken(result) == 0
    assert not np.isfinite(result.holdout_loss)
    assert result.epochs == 5


def test_the_weights_evaluated_and_used_are_the_moving_average_of_the_parameters():
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
    # Training continues from the parameters of the same step.
    assert result.trainable.params == result.trainable.steps == steps_taken(result) == best + 1


def test_options_reach_the_compiler_of_an_epoch():
    options = {"xla_of_nobody": 1}
    fitter = make_fitter(walk, optax.sgd(lambda count: 1.0), compiler_options=options)
    with pytest.raises(jax.errors.JaxRuntimeError, match="xla_of_nobody"):
        walk_towards(3.0, fitter=fitter, min_epochs=1, max_epochs=20, patience=2)


def test_epochs_are_compared_under_the_same_noise_and_trained_under_fresh_noise(key):
    def noisy(scales, params, key, batch):
        noise = jax.random.normal(key)
        return jnp.where(batch["train"], params * noise, noise)

    fitter = make_fitter(noisy, optax.sgd(1.0), averaging=0.0)
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

    fitter = make_fitter(noisy, optax.sgd(1.0), averaging=0.0)
    moved = fitter.epoch(None, fitter.init(jnp.zeros(4)), key, np.arange(4)).params
    assert len(set(moved.tolist()) - {0.0}) == 4


def test_a_growing_replay_compiles_nothing(key):
    traces = []

    def loss(scales, params, key, batch):
        traces.append(batch.reward.shape)
        return jnp.mean(jnp.square(params - batch.reward))

    fitter = make_fitter(loss, optax.sgd(0.1), averaging=0.0)
    replay = Replay(members=2, repeat=1, holdout=0.5, seed=0)
    trainable, counts = fitter.init(jnp.float32(0.0)), []
    for size in (3, 5, 40):
        for _ in range(2):
            replay.append(
                Episode(
                    observations=np.zeros((size + 1, 2), np.float32),
                    actions=np.zeros((size, 1), np.float32),
                    repeats=np.ones(size, np.int32),
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
