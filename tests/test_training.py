"""The loss and the optimizers against optax, a step against finite differences, `fit` against a plain loop."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

from helpers.training import Optimizer, TrainState, cross_entropy, fit, make_trainer, momentum, sgd

N, D, K = 23, 3, 4
RNG = np.random.default_rng(1)
X, Y = RNG.standard_normal((N, D), np.float32), RNG.standard_normal(N, np.float32)
EXACT = X @ np.array([1, 2, 3], np.float32)  # targets that a linear model can reach
PARAMS = {"w": RNG.standard_normal(D, np.float32), "b": np.float32(0.5)}


def mse(params, batch):
    x, y = batch
    return jnp.mean((x @ params["w"] + params["b"] - y) ** 2)


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


def run(loss_fn=mse, optimizer=None, params=PARAMS, data=(X, Y), epochs=2, batch_size=5, metrics=None):
    init, step = make_trainer(loss_fn, optimizer or sgd(0.1))
    options = dict(step=step, epochs=epochs, batch_size=batch_size, metrics=metrics)
    return fit(jax.random.key(2), init(params), data, **options)


def assert_close(actual, desired):
    assert jax.tree.structure(actual) == jax.tree.structure(desired)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6), actual, desired)


def test_cross_entropy_is_optax_and_nan_for_a_label_that_is_no_class():
    logits, labels = 100 * RNG.standard_normal((5, K), np.float32), np.array([3, 0, 2, 2, 1])
    expected = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
    np.testing.assert_allclose(cross_entropy(logits, labels), expected, rtol=1e-6)
    for wrong in (-K - 1, -1, K):
        assert jnp.isnan(cross_entropy(logits, np.where(labels == 3, wrong, labels)))


@pytest.mark.parametrize(
    "ours, peer",
    [
        (sgd(3), optax.sgd(3.0)),
        (momentum(jnp.float32(0.1)), optax.sgd(0.1, momentum=0.9)),
        (momentum(0.02, mass=0), optax.sgd(0.02)),
    ],
)
def test_optimizers_are_optax_on_any_tree(ours, peer):
    params = {"w": np.ones((2, 3), np.float32), "b": [np.float32(3), ()]}
    our_state, peer_state = ours.init(params), peer.init(params)
    for i in range(3):
        grads = jax.tree.map(lambda p, i=i: jnp.cos(p + i), params)
        our_updates, our_state = ours.update(grads, our_state)
        peer_updates, peer_state = peer.update(grads, peer_state)
        assert_close(our_updates, peer_updates)


def test_step_goes_down_the_slope_that_finite_differences_give():
    def numpy_loss(params):
        return np.mean((X @ params[:D] + params[D] - Y) ** 2)

    init, step = make_trainer(mse, sgd(0.1))
    start, flat = init(jax.tree.map(jnp.array, PARAMS)), np.append(PARAMS["w"], PARAMS["b"]).astype(float)
    state, loss = step(start, (X, Y))
    slopes = [(numpy_loss(flat + shift) - numpy_loss(flat - shift)) / 2e-5 for shift in 1e-5 * np.eye(D + 1)]
    *w, b = flat - 0.1 * np.array(slopes)
    assert_close(state.params, {"w": np.array(w), "b": b})
    assert_close(loss, numpy_loss(flat))  # the loss before the step
    assert_close(start.params, PARAMS)  # which leaves alone what it started from


def test_an_optimizer_that_reads_the_parameters_gets_them():
    decay = optax.add_decayed_weights(-0.1)
    state, _ = run(lambda params, batch: 0.0 * mse(params, batch), decay)  # no gradient: only the decay acts
    assert_close(state.params, jax.tree.map(lambda p: 0.9**8 * p, PARAMS))


@pytest.mark.parametrize("make", [sgd, partial(momentum, mass=np.float64(0.5))])
@pytest.mark.parametrize("rate, dtype", [(np.float32(0.1), jnp.bfloat16), (np.float64(0.1), jnp.float32)])
def test_a_parameter_keeps_its_dtype(x64, make, rate, dtype):
    params = {"w": jnp.zeros(D, dtype), "b": jnp.zeros((), dtype)}
    state, history = run(optimizer=make(rate), params=params, data=(X.astype(float), EXACT.astype(float)), epochs=20)
    assert {leaf.dtype for leaf in state.params.values()} == {jnp.dtype(dtype)}
    assert history["loss"][-1].mean() < history["loss"][0].mean()


def test_programs_are_compiled_once():
    traced = []

    def counted_loss(params, batch):
        traced.append(batch[0].shape)
        return mse(params, batch)

    init, step = make_trainer(counted_loss, sgd(0.1))
    state = init(PARAMS)
    for _ in range(3):
        state, _ = step(state, (X, Y))
        state, _ = fit(jax.random.key(0), state, (X, Y), step=step, epochs=2, batch_size=5)
    assert traced == [(N, D), (5, D)]


@pytest.mark.parametrize("batch_size", [1, 5, np.array(N)])
def test_fit_is_the_plain_loop_and_goes_on_from_its_state(batch_size):
    init, step = make_trainer(mse, momentum(0.01))
    start, params = init(jax.tree.map(jnp.array, PARAMS)), PARAMS
    options = dict(step=step, batch_size=batch_size, metrics=lambda params: {"all": mse(params, (X, Y))})
    state, history = fit(jax.random.key(2), start, (X, Y), epochs=np.array(3), **options)
    again, second = fit(jax.random.key(3), state, (X, Y), epochs=1, **options)

    velocity, losses, after = jax.tree.map(np.zeros_like, params), [], []
    steps = N // batch_size
    for key, epoch in [(2, 0), (2, 1), (2, 2), (3, 0)]:
        shuffled = jax.random.permutation(jax.random.fold_in(jax.random.key(key), epoch), N)
        for rows in np.split(np.asarray(shuffled[: steps * batch_size]), steps):
            loss, grads = jax.value_and_grad(mse)(params, (X[rows], Y[rows]))
            losses.append(loss)
            velocity = {name: 0.9 * velocity[name] + grads[name] for name in params}
            params = {name: params[name] - 0.01 * velocity[name] for name in params}
        after.append(mse(params, (X, Y)))

    assert_close(again, TrainState(params, velocity))
    losses = np.reshape(losses, (4, steps))
    assert_close(history, {"loss": losses[:3], "all": np.array(after[:3])})
    assert_close(second, {"loss": losses[3:], "all": np.array(after[3:])})
    assert_close(start, init(PARAMS))  # no step has overwritten what it started from


def test_fit_under_vmap_and_jit_is_fit_one_by_one(x64):
    def losses(scale, rate):
        return run(optimizer=momentum(rate), params=jax.tree.map(lambda p: scale * p, PARAMS))[1]["loss"]

    scales, rates = np.array([0.5, 1]), np.array([0.01, 0.1])
    one_by_one = [losses(scale, rate) for scale, rate in zip(scales, rates)]
    assert_close(jax.vmap(losses)(scales, rates), jnp.stack(one_by_one))
    assert_close(jax.jit(losses)(scales[1], rates[1]), one_by_one[1])
    assert not np.isfinite(jax.jit(losses)(np.inf, 0.1)).any()  # which would be an error outside of `jit`


@pytest.mark.parametrize(
    "data, unpack",
    [
        ((X, EXACT[:, None], jax.random.split(jax.random.key(0), N)), lambda b: b[:2]),
        ((X, (EXACT[:, None], np.ones((N, 1)))), lambda b: (b[0], b[1][0] * b[1][1])),
        ((X, None, {"y": EXACT, "weight": np.ones(N)}), lambda b: (b[0], (b[2]["y"] * b[2]["weight"])[:, None])),
        (np.column_stack([X, EXACT]), lambda b: (b[:, :D], b[:, D:])),
        ((pd.DataFrame(X), pd.Series(EXACT, np.arange(N)[::-1])), lambda b: (b[0], b[1][:, None])),
    ],
    ids=["keys", "weights", "None and dict", "table", "pandas"],
)
def test_fit_takes_any_pytree_of_rows(data, unpack):
    start = {"w": np.zeros((D, 1)), "b": np.zeros(1)}  # predictions are a column, and so must the targets be
    state, _ = run(lambda params, batch: mse(params, unpack(batch)), params=start, data=data, epochs=50)
    np.testing.assert_allclose(state.params["w"], [[1], [2], [3]], atol=1e-3)


@pytest.mark.parametrize(
    "mistake, error, words",
    [
        *((partial(make, rate), ValueError, "positive") for make in (sgd, momentum) for rate in (0, jnp.nan)),
        *((partial(momentum, 0.1, mass), ValueError, rf"in \[0, 1\), got {mass}") for mass in (-0.1, 1)),
        (partial(cross_entropy, np.ones((N, K)), np.eye(K)[np.arange(N) % K]), ValueError, r"\(23,\), got \(23, 4\)"),
        *((partial(run, optimizer=peer), TypeError, "value") for peer in (optax.polyak_sgd(), optax.lbfgs())),
        (partial(run, epochs=0), ValueError, "at least 1, got 0"),
        *((partial(run, batch_size=size), ValueError, rf"in \[1, 23\].* got {size}") for size in (0, N + 1)),
        *((partial(run, **{name: 5.0}), TypeError, "integer") for name in ("epochs", "batch_size")),
        (partial(run, metrics=lambda params: {"loss": 0.0}), ValueError, '"loss"'),
        (partial(run, data=(X, Y[1:])), ValueError, r"same number of rows, got shapes \[\(23, 3\), \(22,\)\]"),
        (partial(run, data=(X[1:], Y)), ValueError, "same number of rows"),
        (partial(run, data=(X.tolist(), Y.tolist())), ValueError, "not lists"),
        (partial(run, data=()), ValueError, "same number of rows"),
        (partial(run, data=(X[:0], Y[:0])), ValueError, "there are 0 rows"),
    ],
)
def test_mistakes_raise_an_error(mistake, error, words):
    with pytest.raises(error, match=words):
        mistake()


@pytest.mark.parametrize("epoch, step, value, shape", [(1, 1, np.nan, ()), (3, 4, np.inf, 2), (4, 2, -np.inf, ())])
def test_fit_names_the_first_step_whose_loss_is_not_finite(epoch, step, value, shape):
    """The parameter counts the steps, four in each epoch, and from one of them on the loss is spoiled."""
    count = Optimizer(lambda params: (), lambda grads, state, params: (1.0, state))
    spoiled = make_trainer(lambda params, batch: jnp.where(params < 4 * epoch + step - 5, params, value), count).step
    if shape:  # several networks at once: the losses have one more axis
        spoiled = jax.vmap(spoiled, (0, None))
    with pytest.raises(FloatingPointError, match=f"became .*{value}.* at step {step} of epoch {epoch}:"):
        state = TrainState(jnp.zeros(shape), ())
        fit(jax.random.key(0), state, (X, Y), step=spoiled, epochs=5, batch_size=5)


def test_fit_finds_parameters_that_the_last_step_spoils():
    zeros = jax.tree.map(np.zeros_like, PARAMS)  # here the loss is zero, and its root has no slope
    with pytest.raises(FloatingPointError, match="a parameter is not finite"):
        run(lambda p, b: jnp.sqrt(mse(p, b)), params=zeros, data=(X, 0 * Y), epochs=1, batch_size=N)


def test_debug_nans_names_the_operation_that_meets_a_nan_in_the_data():
    x = np.where(np.arange(N)[:, None] == 7, np.nan, X)
    with jax.debug_nans(True), pytest.raises(FloatingPointError, match="encountered in"):
        run(data=(x, Y), epochs=3)
