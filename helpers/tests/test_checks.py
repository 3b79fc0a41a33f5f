"""What `fit`, `train_step` and `minibatches` refuse, by the words of the errors, and what they let pass."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

from helpers import checks
from helpers.checks import check_losses
from helpers.training import fit, init_state, minibatches, momentum, sgd, train_step

N, D, K = 23, 3, 4


def predict(params, x):
    return x @ params["w"] + params["b"]


def regression_loss(params, batch):
    x, y = batch
    return jnp.mean((predict(params, x)[:, 0] - y) ** 2)


def class_loss(params, batch):
    x, y = batch
    return -jnp.mean(jax.nn.log_softmax(predict(params, x))[jnp.arange(len(y)), y])


@pytest.fixture(autouse=True)
def nans_on_purpose():
    """Let JAX_DEBUG_NANS, where it is set, leave the NaNs of these tests to the checks."""
    with jax.debug_nans(False):
        yield


@pytest.fixture
def arguments():
    """Right arguments of `fit`, for a test to spoil one."""
    key_x, key_w = jax.random.split(jax.random.key(0))
    x, y = jax.random.normal(key_x, (N, D)), jnp.arange(N) % K
    params = {"w": jax.random.normal(key_w, (D, K)), "b": jnp.zeros(K)}
    optimizer = sgd(0.1)
    return dict(
        key=jax.random.key(1),
        state=init_state(params, optimizer),
        data=(x, y),
        loss_fn=class_loss,
        optimizer=optimizer,
        epochs=2,
        batch_size=5,
    )


def test_right_arguments_pass(arguments):
    fit(**arguments)
    fit(**arguments | {"epochs": np.int64(1), "batch_size": np.int32(N)})
    fit(**arguments | {"data": list(arguments["data"]), "batch_size": 1})
    fit(**arguments | {"data": tuple(map(np.asarray, arguments["data"]))})


@pytest.mark.parametrize("epochs", [0, -3, 1.5, 2.0, float("nan"), "2", None])
def test_fit_refuses_a_number_of_epochs(arguments, epochs):
    with pytest.raises(ValueError, match=f"^epochs must be a whole number of at least 1, got {epochs!r}$"):
        fit(**arguments | {"epochs": epochs})


@pytest.mark.parametrize("batch_size", [0, -1, N + 1, 2.5, 5.0, float("nan"), "5", None])
def test_fit_and_minibatches_refuse_a_batch_size(arguments, batch_size):
    words = rf"^batch_size must be a whole number in \[1, 23\], got {batch_size!r}$"
    with pytest.raises(ValueError, match=words):
        fit(**arguments | {"batch_size": batch_size})
    with pytest.raises(ValueError, match=words):
        minibatches(jax.random.key(0), N, batch_size)


@pytest.mark.parametrize(
    "key", [jax.random.PRNGKey(0), np.zeros(2, np.uint32), 0, None, jax.random.split(jax.random.key(0), 2)]
)
def test_fit_and_minibatches_refuse_what_is_not_one_typed_key(arguments, key):
    words = "^key must be one typed key, as jax.random.key makes it, got"
    with pytest.raises(ValueError, match=words):
        fit(**arguments | {"key": key})
    with pytest.raises(ValueError, match=words):
        minibatches(key, N, 5)


@pytest.mark.parametrize("n", [0, -3, 20.0, None])
def test_minibatches_refuse_a_number_of_rows(n):
    with pytest.raises(ValueError, match=f"^n must be a whole number of at least 1, got {n!r}$"):
        minibatches(jax.random.key(0), n, 1)


@pytest.mark.parametrize(
    "data, words",
    [
        ((pd.DataFrame(np.ones((4, 2))), np.ones(4)), r"^data\[0\] must be an array of NumPy or JAX, got a DataFrame"),
        ((np.ones((4, 2)), pd.Series(np.ones(4))), r"^data\[1\] must be an array of NumPy or JAX, got a Series"),
        (([[1.0], [2.0]], [1.0, 2.0]), r"^data\[0\]\[0\]\[0\] must be an array of NumPy or JAX, got a float"),
    ],
)
def test_fit_refuses_data_that_are_no_arrays(arguments, data, words):
    with pytest.raises(ValueError, match=words):
        fit(**arguments | {"data": data, "loss_fn": regression_loss, "batch_size": 1})


def test_minibatches_of_a_used_key_are_found_by_jax():
    key = jax.random.key(0)
    with jax.debug_key_reuse(True):
        minibatches(key, 10, 2)
        with pytest.raises(jax.errors.KeyReuseError):
            minibatches(key, 10, 2)


@pytest.mark.parametrize("make", [sgd, momentum])
@pytest.mark.parametrize("learning_rate", [0.0, -0.1, float("nan"), float("inf"), "0.1", None, True, 1j])
def test_optimizer_refuses_a_learning_rate(make, learning_rate):
    with pytest.raises(
        ValueError, match=f"^learning_rate must be a positive and finite number, got {learning_rate!r}$"
    ):
        make(learning_rate)


@pytest.mark.parametrize("learning_rate", [np.array([0.1, 0.2]), optax.constant_schedule(0.1), jnp.float32(-1)])
def test_optimizer_refuses_what_is_not_one_positive_number(learning_rate):
    with pytest.raises(ValueError, match="^learning_rate must be a positive and finite number, got"):
        sgd(learning_rate)


@pytest.mark.parametrize("learning_rate", [1, 0.1, np.float32(0.1), np.array(0.1), jnp.float32(0.1), jnp.bfloat16(0.1)])
def test_optimizer_takes_the_numbers_of_each_library(learning_rate):
    optimizer = sgd(learning_rate)
    assert optimizer.update(jnp.ones(2), ())[0] == pytest.approx([-float(learning_rate)] * 2)


@pytest.mark.parametrize("mass", [-0.1, 1, 1.5, float("nan"), "0.9", None])
def test_momentum_refuses_a_mass(mass):
    with pytest.raises(ValueError, match=rf"^mass must be a number in \[0, 1\), got {mass!r}$"):
        momentum(0.1, mass)


def test_momentum_takes_the_mass_zero(arguments):
    params, grads = {"w": jnp.ones(2)}, {"w": jnp.full(2, 3.0)}
    plain, heavy = sgd(0.1), momentum(0.1, 0)
    np.testing.assert_array_equal(
        plain.update(grads, plain.init(params))[0]["w"], heavy.update(grads, heavy.init(params))[0]["w"]
    )


@pytest.fixture(params=["fit", "train_step"])
def run(request, arguments):
    """Give both functions data; each returns after one step or more."""
    loss_fn, optimizer = regression_loss, arguments["optimizer"]
    if request.param == "fit":
        return lambda data: fit(**arguments | {"data": data, "loss_fn": loss_fn, "batch_size": 1})
    return lambda data: train_step(arguments["state"], data, loss_fn=loss_fn, optimizer=optimizer)


@pytest.mark.parametrize(
    "x, y, words",
    [
        ((N, D), (N - 1,), r"x and y must have the same number of rows, got shapes \(23, 3\) and \(22,\)"),
        ((N - 1, D), (N,), r"x and y must have the same number of rows, got shapes \(22, 3\) and \(23,\)"),
        ((N, D), (), r"x and y must have the same number of rows, got shapes \(23, 3\) and \(\)"),
        ((0, D), (0,), r"data must have at least one row, got x of shape \(0, 3\)"),
        (
            (N, D),
            (N, 1),
            r"y must have shape \(23,\), got \(23, 1\): with predictions of shape \(23,\) a column broadcasts to "
            r"\(23, 23\); pass y\[:, 0\]",
        ),
    ],
    ids="y short|x short|y scalar|empty|column".split("|"),
)
def test_shapes_that_do_not_fit_are_refused(run, x, y, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        run((jnp.ones(x), jnp.ones(y)))
    run((jnp.ones((N, D)), jnp.ones(N)))


def test_train_step_takes_one_example(arguments):
    def loss_fn(params, example):
        x, y = example
        return jnp.sum((jnp.sum(x) * params["b"] - y) ** 2)

    for x, y in ((D, ()), (D, K), ((), ())):
        train_step(arguments["state"], (jnp.ones(x), jnp.ones(y)), loss_fn=loss_fn, optimizer=arguments["optimizer"])


def test_train_step_takes_what_only_the_loss_knows(arguments):
    def loss_fn(params, batch):
        return jnp.mean(predict(params, jax.tree.leaves(batch)[0]) ** 2)

    x, y = arguments["data"]
    for data in ({"image": x, "weight": jnp.ones((N, 1))}, (x,), [x, y, jnp.ones((N, 1))]):
        train_step(arguments["state"], data, loss_fn=loss_fn, optimizer=arguments["optimizer"])
        fit(**arguments | {"data": data, "loss_fn": loss_fn})


def test_fit_counts_the_rows_of_any_pytree(arguments):
    data = {"a": jnp.ones((4, 2)), "b": jnp.ones(5)}
    with pytest.raises(ValueError, match=r"must have the same number of rows, got shapes \[\(4, 2\), \(5,\)\]"):
        fit(**arguments | {"data": data})
    with pytest.raises(ValueError, match=r"must have the same number of rows, got shapes \[\(\)\]"):
        fit(**arguments | {"data": {"a": jnp.ones(())}})
    with pytest.raises(ValueError, match=r"must have the same number of rows, got shapes \[\]"):
        fit(**arguments | {"data": {}})
    with pytest.raises(ValueError, match=r"data must have at least one row, got shapes \[\(0, 2\)\]"):
        fit(**arguments | {"data": {"a": jnp.ones((0, 2))}})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_fit_refuses_data_that_are_not_finite(arguments, value):
    x, y = arguments["data"]
    words = "must be finite, got NaN or infinity in 2 of 23 rows, the first is 7$"
    with pytest.raises(ValueError, match=rf"^data\[0\] {words}"):
        fit(**arguments | {"data": (x.at[jnp.array([9, 7, 7]), jnp.array([0, 0, 2])].set(value), y)})
    with pytest.raises(ValueError, match=rf"^data\[1\] {words}"):
        targets = jnp.ones(N).at[jnp.array([9, 7])].set(value)
        fit(**arguments | {"data": (x, targets), "loss_fn": regression_loss})


def test_fit_looks_at_an_array_once_and_at_what_can_change_each_time(arguments, monkeypatch):
    looks, all_finite = [], checks._all_finite
    monkeypatch.setattr(checks, "_all_finite", lambda array: looks.append(array) or all_finite(array))
    for _ in range(3):
        fit(**arguments)
    assert len(looks) == 1

    x, y = map(np.array, arguments["data"])
    fit(**arguments | {"data": (x, y)})
    x[4, 1] = np.nan
    with pytest.raises(
        ValueError, match=r"data\[0\] must be finite, got NaN or infinity in 1 of 23 rows, the first is 4"
    ):
        fit(**arguments | {"data": (x, y)})


@pytest.mark.parametrize("inside", [jax.jit, jax.vmap])
def test_bad_values_are_found_inside_a_transformation_where_they_are_constants(arguments, inside):
    x, y = arguments["data"]
    data = x.at[3].set(jnp.nan), y

    @inside
    def run(_):
        return fit(**arguments | {"data": data})[1]["loss"]

    with pytest.raises(ValueError, match=r"data\[0\] must be finite"):
        run(jnp.zeros(2))


def test_values_of_tracers_are_not_looked_at(arguments):
    @jax.jit
    def run(data):
        return fit(**arguments | {"data": data})[1]["loss"]

    x, y = arguments["data"]
    assert np.isfinite(run((x, y))).all()
    assert np.isnan(run((x * jnp.nan, y))).all()


def optax_loss(params, batch):
    x, y = batch
    return optax.softmax_cross_entropy_with_integer_labels(predict(params, x), y).mean()


@pytest.mark.parametrize("label", [K, 100, -1, -K])
@pytest.mark.parametrize("row", [0, N - 1])
def test_fit_refuses_a_label_that_is_no_class(arguments, label, row):
    x, y = arguments["data"]
    bad = x, y.at[row].set(label)
    words = "below the number of classes" if label > 0 else "at least 0"
    with pytest.raises(ValueError, match=f"^labels must be {words}, got {label}"):
        fit(**arguments | {"data": bad})


def test_fit_takes_every_label_that_is_a_class(arguments):
    x, y = arguments["data"]
    for loss_fn in (class_loss, optax_loss):
        fit(**arguments | {"loss_fn": loss_fn})
        fit(**arguments | {"loss_fn": loss_fn, "data": (x, jnp.maximum(y, 1))})  # a class may be absent


def test_fit_takes_counts_for_targets(arguments):
    data = jnp.ones((N, D)), jnp.arange(N) * 10
    fit(**arguments | {"data": data, "loss_fn": regression_loss, "optimizer": sgd(1e-6)})


def test_fit_takes_several_whole_numbers_for_each_target(arguments):
    def loss_fn(params, batch):
        x, y = batch
        return jnp.mean((predict(params, x) - y) ** 2)

    fit(**arguments | {"data": (arguments["data"][0], jnp.arange(N * K).reshape(N, K) - K), "loss_fn": loss_fn})


def test_fit_says_when_the_loss_stops_being_finite(arguments):
    optimizer = sgd(1e3)
    data = arguments["data"][0], jnp.ones(N)
    options = dict(data=data, optimizer=optimizer, loss_fn=regression_loss, epochs=10)
    options["state"] = init_state(arguments["state"].params, optimizer)
    with pytest.raises(FloatingPointError, match="try a tenth of the learning rate") as caught:
        fit(**arguments | options)

    @jax.jit
    def losses():
        return fit(**arguments | options)[1]["loss"]

    epoch, step = np.argwhere(~np.isfinite(losses()))[0]
    assert f"in epoch {epoch + 1} of 10, at its step {step + 1}:" in str(caught.value)
    assert 0 < epoch < 9


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_losses_that_are_not_finite_are_counted_from_one(value):
    losses = np.ones((4, 6))
    losses[2, 3] = value
    losses[3, 0] = np.nan
    with pytest.raises(FloatingPointError, match=f"^the loss became {value} in epoch 3 of 4, at its step 4: try"):
        check_losses(losses)
