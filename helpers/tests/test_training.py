"""Optimizers against optax and jax.example_libraries, `fit` against a plain loop."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st
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


arrays = st.builds(
    lambda shape, seed: np.random.default_rng(seed).normal(size=shape).astype(np.float32),
    st.sampled_from([(), (3,), (2, 3)]),
    st.integers(0, 2**32 - 1),
)
trees = st.recursive(
    arrays,
    lambda leaf: st.lists(leaf, max_size=3) | st.tuples(leaf, leaf) | st.dictionaries(st.sampled_from("wbv"), leaf),
    max_leaves=6,
)


@given(trees, st.floats(1e-4, 10), st.floats(0, 0.99))
def test_optimizers_agree_with_optax_on_any_tree(params, learning_rate, mass):
    for ours, peer in (
        (sgd(learning_rate), optax.sgd(learning_rate)),
        (momentum(learning_rate, mass), optax.sgd(learning_rate, momentum=mass)),
    ):
        our_state, peer_state = ours.init(params), peer.init(params)
        for step in range(3):
            grads = jax.tree.map(lambda p, step=step: np.cos(p + step), params)
            our_updates, our_state = ours.update(grads, our_state, params)
            peer_updates, peer_state = peer.update(grads, peer_state, params)
            assert_trees_close(our_updates, peer_updates)


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


def test_train_step_returns_the_loss_before_the_step(params, data):
    _, loss = train_step(state=init_state(params, sgd(0.1)), batch=data, loss_fn=loss_fn, optimizer=sgd(0.1))
    np.testing.assert_allclose(loss, loss_fn(params, data), **ALMOST)


def test_train_step_compiles_once(params, data):
    traces = []

    def counted(params, batch):
        traces.append(batch)
        return loss_fn(params, batch)

    optimizer = sgd(0.1)
    state = init_state(params, optimizer)
    for _ in range(3):
        state, _ = train_step(state, data, loss_fn=counted, optimizer=optimizer)
    assert len(traces) == 1


@given(st.integers(0, 2**32 - 1), st.sampled_from([(1, 1), (7, 7), (7, 2), (12, 3), (23, 5), (23, 22), (60, 1)]))
def test_minibatches_cut_a_permutation(seed, sizes):
    n, batch_size = sizes
    rows = minibatches(jax.random.key(seed), n, batch_size)
    assert rows.shape == (n // batch_size, batch_size) and rows.dtype == jnp.int32
    assert len(np.unique(rows)) == rows.size  # no row twice
    assert np.min(rows) >= 0 and np.max(rows) < n
    whole = np.ravel(minibatches(jax.random.key(seed), n, 1))
    assert np.array_equal(np.sort(whole), np.arange(n))
    assert np.array_equal(np.ravel(rows), whole[: rows.size])


def test_minibatches_differ_from_key_to_key():
    a, b = (minibatches(jax.random.key(i), 100, 10) for i in range(2))
    assert not np.array_equal(a, b)


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
