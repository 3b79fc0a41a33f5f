"""Optimizers against optax, one step against finite differences, `fit` against a plain loop, and bad input."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from helpers.training import Optimizer, TrainState, fit, make_trainer, minibatches, momentum, sgd

N, D, K = 23, 3, 4
SGD = sgd(0.1)


def predict(params, x):
    return jnp.tanh(x @ params["w1"] + params["b1"]) @ params["w2"]


def loss_fn(params, batch):
    x, y = batch
    return jnp.mean((predict(params, x) - y) ** 2)


@pytest.fixture
def params():
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape, np.float32) for name, shape in (("w1", (D, K)), ("b1", K), ("w2", K))}


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    return rng.standard_normal((N, D), np.float32), rng.standard_normal(N, np.float32)


@pytest.fixture(autouse=True)
def nans_on_purpose():
    """Let JAX_DEBUG_NANS, where it is set, leave the NaNs of these tests to `fit`."""
    with jax.debug_nans(False):
        yield


def run(params, data, loss_fn=loss_fn, optimizer=SGD, epochs=2, batch_size=5, metrics=None):
    init, step = make_trainer(loss_fn, optimizer)
    options = dict(step=step, epochs=epochs, batch_size=batch_size, metrics=metrics)
    return fit(jax.random.key(2), init(params), data, **options)


def assert_close(actual, desired):
    assert jax.tree.structure(actual) == jax.tree.structure(desired)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), actual, desired)


# Optimizers and one step


@pytest.mark.parametrize(
    "ours, peer",
    [
        (sgd(3), optax.sgd(3.0)),
        (sgd(np.float32(0.1)), optax.sgd(0.1)),
        (momentum(jnp.float32(0.1)), optax.sgd(0.1, momentum=0.9)),
        (momentum(0.02, mass=0.5), optax.sgd(0.02, momentum=0.5)),
        (momentum(0.1, 0), optax.sgd(0.1)),
    ],
)
@pytest.mark.parametrize("params", [jnp.float32(2), {"w": np.ones((2, 3), np.float32), "b": [jnp.arange(3.0), ()]}, []])
def test_optimizers_are_optax_on_any_tree(ours, peer, params):
    our_state, peer_state = ours.init(params), peer.init(params)
    for i in range(3):
        grads = jax.tree.map(lambda p, i=i: jnp.cos(p + i), params)
        our_updates, our_state = ours.update(grads, our_state)
        peer_updates, peer_state = peer.update(grads, peer_state)
        assert_close(our_updates, peer_updates)


@pytest.mark.parametrize("make", [sgd, momentum])
@pytest.mark.parametrize("learning_rate", [0, 0.0, -0.1, float("nan"), jnp.float32(-1)])
def test_optimizers_refuse_a_learning_rate(make, learning_rate):
    with pytest.raises(ValueError, match=f"^learning_rate must be positive, got {learning_rate}$"):
        make(learning_rate)


def test_step_goes_down_the_gradient_that_finite_differences_give(params, data):
    init, step = make_trainer(loss_fn, SGD)
    state, loss = step(init(params), data)
    p = {name: np.asarray(value, np.float64) for name, value in params.items()}

    def numpy_loss():
        return np.mean((np.tanh(data[0] @ p["w1"] + p["b1"]) @ p["w2"] - data[1]) ** 2)

    np.testing.assert_allclose(loss, numpy_loss(), rtol=1e-5)  # the loss before the step
    for name, array in p.items():
        for i in np.ndindex(array.shape):
            array[i] += 1e-5
            above = numpy_loss()
            array[i] -= 2e-5
            slope = (above - numpy_loss()) / 2e-5
            array[i] += 1e-5
            assert state.params[name][i] == pytest.approx(array[i] - 0.1 * slope, abs=1e-5)


@pytest.mark.parametrize("optimizer", [optax.add_decayed_weights(-0.1), optax.adamw(0.5, weight_decay=0.2)])
def test_an_optimizer_that_reads_the_parameters_acts_in_the_step_and_in_fit(params, data, optimizer):
    def flat_loss(params, batch):
        return 0.0 * loss_fn(params, batch)  # without a gradient the decay alone is left, a tenth in each step

    init, step = make_trainer(flat_loss, optimizer)
    assert_close(step(init(params), data)[0].params, jax.tree.map(lambda p: 0.9 * p, params))
    assert_close(run(params, data, flat_loss, optimizer)[0].params, jax.tree.map(lambda p: 0.9**8 * p, params))


def test_step_takes_one_example_and_what_only_the_loss_knows(params):
    def square_loss(params, batch):
        return sum(jnp.mean((params["b1"].sum() * leaf - 1) ** 2) for leaf in jax.tree.leaves(batch))

    init, step = make_trainer(square_loss, SGD)
    x, y, one = np.ones((N, D)), np.ones(N), np.ones(())
    for batch in ((x[0], one), (x[0], y), (one, one), (x, x), (x,), (x, y, y[:, None]), {"x": x, "weight": y[:2]}):
        step(init(params), batch)


def test_programs_are_compiled_once(params, data):
    traces = []

    def counted(params, batch):
        traces.append(batch[0].shape)
        return loss_fn(params, batch)

    init, step = make_trainer(counted, SGD)
    state = init(params)
    for _ in range(3):
        state, _ = step(state, data)
    for _ in range(3):
        state, _ = fit(jax.random.key(0), state, data, step=step, epochs=2, batch_size=5)
    assert traces == [(N, D), (5, D)]


# Minibatches and whole runs


@pytest.mark.parametrize("n, batch_size", [(1, 1), (7, 7), (7, 2), (12, 3), (N, N - 1)])
def test_minibatches_cut_a_permutation(n, batch_size):
    rows = minibatches(jax.random.key(n), n, batch_size)
    assert rows.shape == (n // batch_size, batch_size) and rows.dtype == jnp.int32
    assert np.array_equal(np.ravel(rows), jax.random.permutation(jax.random.key(n), n)[: rows.size])


def test_fit_is_the_plain_loop_and_goes_on_from_its_state(params, data):
    init, step = make_trainer(loss_fn, momentum(0.05))
    start = init(params)
    options = dict(step=step, batch_size=5, metrics=lambda params: {"all": loss_fn(params, data)})
    state, history = fit(jax.random.key(2), start, data, epochs=3, **options)
    assert_close(start.params, params)  # untouched, for another run from it
    once_more, second = fit(jax.random.key(3), state, data, epochs=np.int64(1), **options)

    velocity, losses, after = jax.tree.map(np.zeros_like, params), [], []
    for key, epoch in [(2, 0), (2, 1), (2, 2), (3, 0)]:
        shuffled = jax.random.permutation(jax.random.fold_in(jax.random.key(key), epoch), N)
        for rows in np.reshape(shuffled[:20], (4, 5)):
            loss, grads = jax.value_and_grad(loss_fn)(params, (data[0][rows], data[1][rows]))
            losses.append(loss)
            velocity = {name: 0.9 * velocity[name] + grads[name] for name in params}
            params = {name: params[name] - 0.05 * velocity[name] for name in params}
        after.append(loss_fn(params, data))

    assert_close(once_more, TrainState(params, velocity))
    assert_close(history, {"loss": np.reshape(losses[:12], (3, 4)), "all": np.array(after[:3])})
    assert_close(second, {"loss": np.reshape(losses[12:], (1, 4)), "all": np.array(after[3:])})


def test_fit_under_vmap_and_jit_is_fit_one_by_one(params, data):
    def losses(seed, learning_rate):
        init, step = make_trainer(loss_fn, momentum(learning_rate))
        return fit(jax.random.key(seed), init(params), data, step=step, epochs=2, batch_size=5)[1]["loss"]

    rates = [0.01, 0.1]
    one_by_one = [losses(seed, rate) for seed, rate in enumerate(rates)]
    assert_close(jax.vmap(losses)(jnp.arange(2), jnp.array(rates)), jnp.stack(one_by_one))
    assert_close(jax.jit(losses)(1, 0.1), one_by_one[1])


def test_fit_takes_any_pytree_of_data(params, data):
    def nested_loss(params, batch):
        parts, y = batch
        return loss_fn(params, (jnp.concatenate([parts["left"], parts["right"]], axis=1), y[:, 0]))

    def table_loss(params, batch):
        return loss_fn(params, (batch[:, :D], batch[:, D]))

    (x, y), expected = data, run(params, data)
    assert_close(run(params, ({"left": x[:, :1], "right": x[:, 1:]}, y[:, None]), nested_loss), expected)
    assert_close(run(params, np.column_stack(data), table_loss), expected)


def hinge_loss(params, batch):
    x, y = batch
    return jnp.mean(jnp.maximum(0, 1 - y * predict(params, x)))


@pytest.mark.parametrize("loss_fn, targets", [(hinge_loss, np.sign), (loss_fn, np.round)])
def test_integer_targets_below_zero_train(params, data, loss_fn, targets):
    y = targets(data[0][:, 0]).astype(np.int32)
    assert y.min() < 0
    losses = run(params, (data[0], y), loss_fn, momentum(0.05), epochs=40)[1]["loss"].mean(1)
    assert losses[-1] < 0.3 * losses[0]


# Bad input


@pytest.mark.parametrize("epochs", [0, -3, 1.5, 2.0, float("nan"), "2", None])
def test_fit_refuses_a_number_of_epochs(params, data, epochs):
    with pytest.raises(ValueError, match=f"^epochs must be a whole number of at least 1, got {epochs}$"):
        run(params, data, epochs=epochs)


@pytest.mark.parametrize("batch_size", [0, -1, N + 1, 2.5, float("nan"), "5", None])
def test_minibatches_and_fit_refuse_a_batch_size(params, data, batch_size):
    words = rf"^batch_size must be in \[1, {N}\], the number of rows, got {batch_size}(\n|$)"
    with pytest.raises(ValueError, match=words):
        minibatches(jax.random.key(0), N, batch_size)
    with pytest.raises(ValueError, match=words):
        run(params, data, batch_size=batch_size)


def test_fit_refuses_a_metric_that_takes_the_place_of_the_losses(params, data):
    with pytest.raises(ValueError, match='^a metric must have another name than "loss"'):
        run(params, data, metrics=lambda params: {"loss": 0.0})


@pytest.mark.parametrize(
    "x, y, words",
    [
        ((N, D), (N - 1,), r"the same number of rows, got \(23, 3\) and \(22,\)"),
        ((N - 1, D), (N,), r"the same number of rows, got \(22, 3\) and \(23,\)"),
        ((1, D), (), r"the same number of rows, got \(1, 3\) and \(\)"),
        ((0, D), (0,), r"at least one row, got \(0, 3\) and \(0,\)"),
        ((N, D), (N, 1), r"y must have shape \(n,\), got the column \(23, 1\): pass y\[:, 0\]"),
        ((N,), (N, 1), r"y must have shape \(n,\), got the column"),
    ],
)
def test_step_refuses_shapes_that_do_not_fit(params, x, y, words):
    init, step = make_trainer(loss_fn, SGD)
    with pytest.raises(ValueError, match=words):
        step(init(params), (np.ones(x), np.ones(y)))


@pytest.mark.parametrize(
    "data, words",
    [
        ((np.ones((N, D)), np.ones(N - 1)), r"the same number of rows, got shapes \[\(23, 3\), \(22,\)\]"),
        ({"x": np.ones((N, D)), "y": 1.0}, r"the same number of rows, got shapes \[\(23, 3\), \(\)\]"),
        ((), r"the same number of rows, got shapes \[\]"),
        ((np.ones((0, D)), np.ones(0)), r"batch_size must be in \[1, 0\], the number of rows"),
        ([np.ones((N, D)), np.ones((N, 1))], r"got the column \(5, 1\): pass y\[:, 0\]"),
    ],
)
def test_fit_refuses_data_that_do_not_fit(params, data, words):
    with pytest.raises(ValueError, match=words):
        run(params, data)


@pytest.mark.parametrize("part, value", [(0, np.nan), (1, np.nan), (1, np.inf)])
def test_fit_finds_data_that_are_not_finite(params, data, part, value):
    data[part][7] = value
    with pytest.raises(FloatingPointError, match="look for a NaN in the data"):
        run(params, data, epochs=3)


def test_fit_finds_a_label_that_is_no_class(params, data):
    def class_loss(params, batch):
        x, y = batch
        return -jax.nn.log_softmax(x @ params["w1"]).at[jnp.arange(len(y)), y].get(mode="fill").mean()

    y = np.arange(N) % K
    run(params, (data[0], y), class_loss)
    y[11] = 7
    with pytest.raises(FloatingPointError, match="^the loss became nan in epoch . of 3, .* labels that are no class$"):
        run(params, (data[0], y), class_loss, epochs=3)


@pytest.mark.parametrize("epoch, step, value", [(1, 1, np.nan), (3, 4, np.inf), (4, 2, -np.inf)])
def test_fit_names_the_first_step_whose_loss_is_not_finite(data, epoch, step, value):
    """The parameter counts the steps, four in each epoch, and from one of them on the loss is spoiled."""
    count = Optimizer(lambda params: (), lambda grads, state, params: (1.0, state))

    def spoiled_loss(params, batch):
        return jnp.where(params < 4 * epoch + step - 5, params, value)

    words = f"^the loss became {value} in epoch {epoch} of 5, at its step {step}: try a tenth of the learning rate"
    with pytest.raises(FloatingPointError, match=words):
        run(jnp.zeros(()), data, spoiled_loss, count, epochs=5)


def test_fit_finds_a_run_that_diverges_but_not_inside_of_jit(params, data):
    options = dict(optimizer=sgd(1e3), epochs=20)
    with pytest.raises(FloatingPointError, match="^the loss became (inf|nan) in epoch .* try a tenth of the learning"):
        run(params, data, **options)
    losses = jax.jit(lambda: run(params, data, **options)[1]["loss"])()
    assert np.isfinite(losses[0, 0]) and not np.isfinite(losses[-1, -1])
