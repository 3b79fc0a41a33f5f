"""Optimizers against optax and jax.example_libraries, `fit` against a plain loop, errors against their words."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.example_libraries import optimizers

from helpers.training import fit, init_state, minibatches, momentum, sgd, train_step

ALMOST = dict(rtol=1e-5, atol=1e-6)


def loss_fn(params, batch):
    x, y = batch
    return jnp.mean((jnp.tanh(x @ params["w1"] + params["b1"]) @ params["w2"] - y) ** 2)


@pytest.fixture
def params():
    k1, k2, k3 = jax.random.split(jax.random.key(0), 3)
    return {
        "w1": jax.random.normal(k1, (3, 5)),
        "b1": jax.random.normal(k2, (5,)),
        "w2": jax.random.normal(k3, (5,)),
    }


@pytest.fixture
def data():
    key_x, key_y = jax.random.split(jax.random.key(1))
    return jax.random.normal(key_x, (23, 3)), jax.random.normal(key_y, (23,))


def assert_trees_close(actual, desired, **tolerance):
    assert jax.tree.structure(actual) == jax.tree.structure(desired)
    jax.tree.map(partial(np.testing.assert_allclose, **(tolerance or ALMOST)), actual, desired)


def train(params, data, optimizer, steps=20):
    state = init_state(params, optimizer)
    for _ in range(steps):
        state, _ = train_step(state, data, loss_fn=loss_fn, optimizer=optimizer)
    return state.params


@pytest.mark.parametrize(
    "ours, peer",
    [(sgd(0.1), optax.sgd(0.1)), (momentum(0.1), optax.sgd(0.1, 0.9)), (momentum(0.1, 0.5), optax.sgd(0.1, 0.5))],
)
def test_optimizer_takes_the_steps_of_optax(params, data, ours, peer):
    assert_trees_close(train(params, data, ours), train(params, data, peer))


@pytest.mark.parametrize(
    "ours, peer",
    [(sgd(0.1), optimizers.sgd(0.1)), (momentum(0.1, 0.9), optimizers.momentum(0.1, 0.9))],
)
def test_optimizer_takes_the_steps_of_example_libraries(params, data, ours, peer):
    peer_state = peer.init_fn(params)
    for i in range(20):
        grads = jax.grad(loss_fn)(peer.params_fn(peer_state), data)
        peer_state = peer.update_fn(i, grads, peer_state)
    assert_trees_close(train(params, data, ours), peer.params_fn(peer_state))


@pytest.mark.parametrize("make", [sgd, momentum])
@pytest.mark.parametrize("learning_rate", [0.0, -0.1, float("nan"), float("inf")])
def test_optimizer_refuses_a_learning_rate(make, learning_rate):
    with pytest.raises(ValueError, match=f"learning_rate must be positive and finite, got {learning_rate}"):
        make(learning_rate)


def test_train_step_returns_the_loss_before_the_step(params, data):
    _, loss = train_step(init_state(params, sgd(0.1)), data, loss_fn=loss_fn, optimizer=sgd(0.1))
    np.testing.assert_allclose(loss, loss_fn(params, data), **ALMOST)


def test_minibatches_cut_a_permutation():
    rows = minibatches(jax.random.key(0), 23, 5)
    assert rows.shape == (4, 5)
    assert len(np.unique(rows)) == 20
    assert np.max(rows) < 23 and np.min(rows) >= 0
    assert np.array_equal(np.sort(np.ravel(minibatches(jax.random.key(0), 20, 5))), np.arange(20))


def test_minibatches_differ_from_key_to_key():
    a, b = (minibatches(jax.random.key(i), 100, 10) for i in range(2))
    assert not np.array_equal(a, b)


@pytest.mark.parametrize("batch_size", [0, -1, 24, 2.5])
def test_minibatches_refuse_a_batch_size(batch_size):
    with pytest.raises(ValueError, match=rf"batch_size must be a whole number in \[1, 23\], got {batch_size}"):
        minibatches(jax.random.key(0), 23, batch_size)


def test_fit_is_the_plain_loop(params, data):
    optimizer = momentum(0.05)
    state, history = fit(
        jax.random.key(2),
        init_state(params, optimizer),
        data,
        loss_fn=loss_fn,
        optimizer=optimizer,
        epochs=3,
        batch_size=5,
        metrics=lambda params: {"all": loss_fn(params, data)},
    )

    velocity = jax.tree.map(jnp.zeros_like, params)
    losses, after = [], []
    for epoch in range(3):
        shuffled = jax.random.permutation(jax.random.fold_in(jax.random.key(2), epoch), 23)
        for rows in np.reshape(shuffled[:20], (4, 5)):
            loss, grads = jax.value_and_grad(loss_fn)(params, (data[0][rows], data[1][rows]))
            losses.append(loss)
            for name in params:
                velocity[name] = 0.9 * velocity[name] + grads[name]
                params[name] = params[name] - 0.05 * velocity[name]
        after.append(loss_fn(params, data))

    assert_trees_close(state.params, params)
    assert_trees_close(state.opt_state, velocity)
    np.testing.assert_allclose(history["loss"], np.reshape(losses, (3, 4)), **ALMOST)
    np.testing.assert_allclose(history["all"], after, **ALMOST)


def test_fit_takes_an_optax_optimizer(params, data):
    def run(optimizer):
        state = init_state(params, optimizer)
        return fit(jax.random.key(0), state, data, loss_fn=loss_fn, optimizer=optimizer, epochs=2, batch_size=4)

    (ours, our_history), (theirs, their_history) = run(momentum(0.1)), run(optax.sgd(0.1, momentum=0.9))
    assert_trees_close(ours.params, theirs.params)
    assert_trees_close(our_history, their_history)


def test_fit_under_vmap_is_fit_one_by_one(params, data):
    def run(key, learning_rate):
        optimizer = sgd(learning_rate)
        state = init_state(params, optimizer)
        return fit(key, state, data, loss_fn=loss_fn, optimizer=optimizer, epochs=2, batch_size=5)[1]["loss"]

    keys, rates = jax.random.split(jax.random.key(3), 3), jnp.array([0.01, 0.03, 0.1])
    one_by_one = [run(jax.random.clone(key), rate) for key, rate in zip(keys, rates)]
    together = jax.vmap(run)(jax.random.clone(keys), rates)
    assert_trees_close(together, jnp.stack(one_by_one))


@pytest.mark.parametrize("epochs", [0, -3, 1.5])
def test_fit_refuses_a_number_of_epochs(params, data, epochs):
    with pytest.raises(ValueError, match=f"epochs must be a whole number of at least 1, got {epochs}"):
        fit_once(params, data, epochs=epochs)


def test_fit_refuses_data_of_different_lengths(params, data):
    x, y = data
    with pytest.raises(ValueError, match=r"the same number of rows, got \[22, 23\]"):
        fit_once(params, (x, y[:-1]))


def test_fit_refuses_a_batch_larger_than_the_data(params, data):
    with pytest.raises(ValueError, match=r"batch_size must be a whole number in \[1, 23\], got 24"):
        fit_once(params, data, batch_size=24)


def fit_once(params, data, epochs=1, batch_size=5):
    optimizer = sgd(0.1)
    state = init_state(params, optimizer)
    return fit(
        jax.random.key(0), state, data, loss_fn=loss_fn, optimizer=optimizer, epochs=epochs, batch_size=batch_size
    )
