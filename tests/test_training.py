"""The loss and the optimizers against optax, a step against finite differences, `fit` against a plain loop."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

from helpers.training import Optimizer, TrainState, cross_entropy, fit, make_trainer, minibatches, momentum, sgd

N, D, K = 23, 3, 4
RNG = np.random.default_rng(1)
X, Y = RNG.standard_normal((N, D), np.float32), RNG.standard_normal(N, np.float32)
PARAMS = {name: RNG.standard_normal(shape, np.float32) for name, shape in (("w1", (D, K)), ("b1", K), ("w2", K))}
EXACT = X @ np.array([1, 2, 3], np.float32)  # targets that a line without intercept can reach
ZEROS = {"w": np.zeros(D, np.float32)}


def loss_fn(params, batch):
    x, y = batch
    return jnp.mean((jnp.tanh(x @ params["w1"] + params["b1"]) @ params["w2"] - y) ** 2)


def mse(params, batch):
    x, y = batch
    return jnp.mean((x @ params["w"] - y) ** 2)


def rmse(params, batch):
    return jnp.sqrt(mse(params, batch))


@pytest.fixture(autouse=True)
def nans_on_purpose():
    """Leave the NaNs of these tests to `fit`, also where JAX_DEBUG_NANS is set."""
    with jax.debug_nans(False):
        yield


@pytest.fixture(params=[False, True], ids=["x32", "x64"])
def x64(request):
    """Run a test without and with `JAX_ENABLE_X64`."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", request.param)
    yield
    jax.config.update("jax_enable_x64", before)


def run(loss_fn=loss_fn, optimizer=None, params=PARAMS, data=(X, Y), epochs=2, batch_size=5, metrics=None):
    init, step = make_trainer(loss_fn, optimizer or sgd(0.1))
    options = dict(step=step, epochs=epochs, batch_size=batch_size, metrics=metrics)
    return fit(jax.random.key(2), init(params), data, **options)


def assert_close(actual, desired, rtol=1e-5):
    assert jax.tree.structure(actual) == jax.tree.structure(desired)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=rtol, atol=1e-6), actual, desired)


# The loss


def test_cross_entropy_is_optax_and_nan_for_a_label_that_is_no_class():
    logits, labels = 100 * RNG.standard_normal((5, K), np.float32), np.array([3, 0, 2, 2, 1])
    expected = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
    np.testing.assert_allclose(cross_entropy(logits, labels), expected, rtol=1e-6)
    for wrong in (-K - 1, -1, K, K + 1):
        assert jnp.isnan(cross_entropy(logits, np.where(labels == 3, wrong, labels)))


# Optimizers and one step


@pytest.mark.parametrize(
    "ours, peer",
    [
        (sgd(3), optax.sgd(3.0)),
        (momentum(jnp.float32(0.1)), optax.sgd(0.1, momentum=0.9)),
        (momentum(0.02, mass=0.5), optax.sgd(0.02, momentum=0.5)),
        (momentum(0.1, 0), optax.sgd(0.1)),
    ],
)
@pytest.mark.parametrize("params", [np.float32(2), {"w": np.ones((2, 3), np.float32), "b": [np.float32(3), ()]}, []])
def test_optimizers_are_optax_on_any_tree(ours, peer, params):
    our_state, peer_state = ours.init(params), peer.init(params)
    for i in range(3):
        grads = jax.tree.map(lambda p, i=i: jnp.cos(p + i), params)
        our_updates, our_state = ours.update(grads, our_state)
        peer_updates, peer_state = peer.update(grads, peer_state)
        assert_close(our_updates, peer_updates)


def test_step_goes_down_the_slope_that_finite_differences_give():
    def numpy_loss(flat):
        b1, w1, w2 = np.split(flat, [K, K + D * K])
        return np.mean((np.tanh(X @ w1.reshape(D, K) + b1) @ w2 - Y) ** 2)

    def flatten(params):
        return np.concatenate([np.ravel(params[name]) for name in ("b1", "w1", "w2")]).astype(float)

    init, step = make_trainer(loss_fn, sgd(0.1))
    start, flat = init(jax.tree.map(jnp.array, PARAMS)), flatten(PARAMS)
    state, loss = step(start, (X, Y))
    slopes = [(numpy_loss(flat + shift) - numpy_loss(flat - shift)) / 2e-5 for shift in 1e-5 * np.eye(len(flat))]
    np.testing.assert_allclose(flatten(state.params), flat - 0.1 * np.array(slopes), atol=1e-5)
    np.testing.assert_allclose(loss, numpy_loss(flat), rtol=1e-5)  # the loss before the step
    assert_close(start.params, PARAMS)  # which leaves alone what it started from


def test_an_optimizer_that_reads_the_parameters_gets_them():
    decay = optax.add_decayed_weights(-0.1)
    state, _ = run(lambda params, batch: 0.0 * loss_fn(params, batch), decay)  # no gradient: only the decay acts
    assert_close(state.params, jax.tree.map(lambda p: 0.9**8 * p, PARAMS))


@pytest.mark.parametrize("optimizer", [optax.polyak_sgd(), optax.contrib.reduce_on_plateau(), optax.lbfgs()])
def test_an_optimizer_that_needs_the_loss_says_so(optimizer):
    with pytest.raises(TypeError, match="value"):
        run(optimizer=optimizer)


@pytest.mark.parametrize("rate", [np.float32(0.1), np.float64(0.1)])
@pytest.mark.parametrize("make", [sgd, partial(momentum, mass=np.float64(0.5))])
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_a_parameter_keeps_its_dtype(x64, rate, make, dtype):
    state, history = run(mse, make(rate), {"w": jnp.zeros(D, dtype)}, (X.astype(float), EXACT.astype(float)), 20)
    assert state.params["w"].dtype == dtype and history["loss"][-1].mean() < history["loss"][0].mean()


def test_programs_are_compiled_once():
    traced = []

    def counted_loss(params, batch):
        traced.append(batch[0].shape)
        return loss_fn(params, batch)

    def counted_metrics(params):
        traced.append("metrics")
        return {}

    init, step = make_trainer(counted_loss, sgd(0.1))
    state = init(PARAMS)
    for _ in range(3):
        state, _ = step(state, (X, Y))
    for _ in range(3):
        state, _ = fit(jax.random.key(0), state, (X, Y), step=step, epochs=2, batch_size=5, metrics=counted_metrics)
    assert traced == [(N, D), (5, D), "metrics"]


# Minibatches and whole runs


@pytest.mark.parametrize("n, batch_size", [(1, 1), (7, 1), (7, 7), (7, 2), (12, 3), (N, N - 1)])
def test_minibatches_cut_a_permutation(n, batch_size):
    rows = minibatches(jax.random.key(n), n, batch_size)
    assert rows.shape == (n // batch_size, batch_size) and jnp.issubdtype(rows.dtype, jnp.integer)
    assert np.array_equal(np.ravel(rows), jax.random.permutation(jax.random.key(n), n)[: rows.size])


@pytest.mark.parametrize("batch_size", [1, 5, np.array(N)])
def test_fit_is_the_plain_loop_and_goes_on_from_its_state(batch_size):
    init, step = make_trainer(loss_fn, momentum(0.01))
    start, params = init(jax.tree.map(jnp.array, PARAMS)), PARAMS
    options = dict(step=step, batch_size=batch_size, metrics=lambda params: {"all": loss_fn(params, (X, Y))})
    state, history = fit(jax.random.key(2), start, (X, Y), epochs=np.array(3), **options)
    again, second = fit(jax.random.key(3), state, (X, Y), epochs=1, **options)

    velocity, losses, after = jax.tree.map(np.zeros_like, params), [], []
    steps = N // batch_size
    for key, epoch in [(2, 0), (2, 1), (2, 2), (3, 0)]:
        shuffled = jax.random.permutation(jax.random.fold_in(jax.random.key(key), epoch), N)
        for rows in np.split(np.asarray(shuffled[: steps * batch_size]), steps):
            loss, grads = jax.value_and_grad(loss_fn)(params, (X[rows], Y[rows]))
            losses.append(loss)
            velocity = {name: 0.9 * velocity[name] + grads[name] for name in params}
            params = {name: params[name] - 0.01 * velocity[name] for name in params}
        after.append(loss_fn(params, (X, Y)))

    close = partial(assert_close, rtol=1e-4)
    close(again, TrainState(params, velocity))
    close(history, {"loss": np.reshape(losses[: 3 * steps], (3, steps)), "all": np.array(after[:3])})
    close(second, {"loss": np.reshape(losses[3 * steps :], (1, steps)), "all": np.array(after[3:])})
    assert_close(start, init(PARAMS))  # no step has overwritten what it started from


def test_fit_under_vmap_and_jit_is_fit_one_by_one(x64):
    def losses(scale, rate):
        return run(optimizer=momentum(rate), params=jax.tree.map(lambda p: scale * p, PARAMS))[1]["loss"]

    scales, rates = np.array([0.5, 1]), np.array([0.01, 0.1])
    one_by_one = [losses(scale, rate) for scale, rate in zip(scales, rates)]
    assert_close(jax.vmap(losses)(scales, rates), jnp.stack(one_by_one))
    assert_close(jax.jit(losses)(scales[1], rates[1]), one_by_one[1])


def test_fit_under_vmap_leaves_alone_what_the_loss_does_not_use():
    unused = jax.vmap(lambda b: run(mse, params=ZEROS | {"b": b}, data=(X, EXACT))[0].params["b"])(jnp.arange(2.0))
    assert_close(unused, jnp.arange(2.0))


@pytest.mark.parametrize(
    "data, unpack",
    [
        ((X, EXACT[:, None]), lambda b: b),
        ((X, (EXACT[:, None], np.ones((N, 1)))), lambda b: (b[0], b[1][0] * b[1][1])),
        ((X, {"y": EXACT, "weight": np.ones(N)}), lambda b: (b[0], (b[1]["y"] * b[1]["weight"])[:, None])),
        ((X, None, EXACT[:, None]), lambda b: (b[0], b[2])),
        (np.column_stack([X, EXACT]), lambda b: (b[:, :D], b[:, D:])),
        ((pd.DataFrame(X), pd.Series(EXACT, np.arange(N)[::-1])), lambda b: (b[0], b[1][:, None])),
        ((X, EXACT[:, None], jax.random.split(jax.random.key(0), N)), lambda b: b[:2]),
    ],
    ids=["columns", "weights", "dict", "None", "table", "pandas", "keys"],
)
def test_fit_takes_any_pytree_of_rows(data, unpack):
    start = {"w": np.zeros((D, 1))}  # predictions are a column, and so must the targets be
    state, _ = run(lambda params, batch: mse(params, unpack(batch)), params=start, data=data, epochs=50)
    np.testing.assert_allclose(state.params["w"], [[1], [2], [3]], atol=1e-3)


# Mistakes that raise an error


@pytest.mark.parametrize(
    "mistake, error, words",
    [
        *((partial(sgd, rate), ValueError, f"positive, got {rate}") for rate in (0, -0.1, float("nan"))),
        (partial(momentum, jnp.float32(-1)), ValueError, "positive, got -1"),
        *((partial(momentum, 0.1, mass), ValueError, rf"in \[0, 1\), got {mass}") for mass in (-0.1, 1, 1.5)),
        (partial(cross_entropy, np.ones((N, K)), np.eye(K)[np.arange(N) % K]), ValueError, r"\(23,\), got \(23, 4\)"),
        (partial(minibatches, jax.random.key(0), N, N + 1), ValueError, r"in \[1, 23\].* got 24"),
        (partial(minibatches, jax.random.key(0), N, 5.0), TypeError, "float"),
        *((partial(run, epochs=epochs), ValueError, f"at least 1, got {epochs}") for epochs in (0, -3)),
        *((partial(run, epochs=epochs), TypeError, "integer") for epochs in (2.0, "2", None)),
        *((partial(run, batch_size=size), ValueError, rf"in \[1, 23\].* got {size}") for size in (0, -1, N + 1)),
        *((partial(run, batch_size=size), TypeError, "integer") for size in (5.0, "5", None)),
        (partial(run, metrics=lambda params: {"loss": 0.0}), ValueError, '"loss"'),
        (partial(run, data=(X, Y[1:])), ValueError, r"same number of rows, got shapes \[\(23, 3\), \(22,\)\]"),
        (partial(run, data=(X[1:], Y)), ValueError, "same number of rows"),
        (partial(run, data={"x": X, "y": 1.0}), ValueError, "same number of rows"),
        (partial(run, data=(X.tolist(), Y.tolist())), ValueError, "not lists"),
        (partial(run, data=()), ValueError, "same number of rows"),
        (partial(run, data=(X[:0], Y[:0])), ValueError, "there are 0 rows"),
    ],
)
def test_mistakes_raise_an_error(mistake, error, words):
    with pytest.raises(error, match=words):
        mistake()


@pytest.mark.parametrize("epoch, step, value", [(1, 1, np.nan), (3, 4, np.inf), (4, 2, -np.inf)])
@pytest.mark.parametrize("networks", [None, 2])
def test_fit_names_the_first_step_whose_loss_is_not_finite(epoch, step, value, networks):
    """The parameter counts the steps, four in each epoch, and from one of them on the loss is spoiled."""
    count = Optimizer(lambda params: (), lambda grads, state, params: (1.0, state))
    spoiled = make_trainer(lambda params, batch: jnp.where(params < 4 * epoch + step - 5, params, value), count).step
    state = TrainState(jnp.zeros(()), ())
    if networks:  # several at once: the losses have one more axis
        spoiled, state = jax.vmap(spoiled, (0, None)), TrainState(jnp.zeros(networks), ())
    with pytest.raises(FloatingPointError, match=f"became .*{value}.* at step {step} of epoch {epoch}: try a tenth"):
        fit(jax.random.key(0), state, (X, Y), step=spoiled, epochs=5, batch_size=5)


def test_fit_finds_parameters_that_the_last_step_spoils():
    with pytest.raises(FloatingPointError, match="a parameter is not finite"):  # a root has no slope at zero
        run(rmse, params=ZEROS, data=(X, 0 * EXACT), epochs=1, batch_size=N)


def test_fit_finds_a_nan_in_the_data_and_debug_nans_finds_its_operation():
    x = np.where(np.arange(N)[:, None] == 7, np.nan, X)
    with pytest.raises(FloatingPointError, match="NaNs in the data"):
        run(data=(x, Y), epochs=3)
    with jax.debug_nans(True), pytest.raises(FloatingPointError, match="encountered in"):
        run(data=(x, Y), epochs=3)


def test_fit_finds_a_label_that_is_no_class():
    def class_loss(params, batch):
        return cross_entropy(batch[0] @ params["w1"], batch[1])

    labels = np.arange(N) % K
    run(class_loss, data=(X, labels))
    with pytest.raises(FloatingPointError, match="nan .* labels that are not a class"):
        run(class_loss, data=(X, np.where(labels == 3, -1, labels)))


def test_fit_inside_of_jit_returns_what_is_not_finite():
    losses = jax.jit(lambda: run(optimizer=sgd(1e3), epochs=20)[1]["loss"])()
    assert np.isfinite(losses[0, 0]) and not np.isfinite(losses[-1, -1])
