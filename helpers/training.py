"""Training by gradient descent: optimizers, one step, shuffled minibatches, and a whole run.

Optimizer, sgd, momentum      how a gradient becomes a change of the parameters
TrainState, init_state        what one step hands to the next
train_step                    one batch in, new parameters and a loss out
minibatches                   a fresh shuffle of the rows, cut into batches
fit                           all epochs of all batches, as one compiled program
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from helpers.checks import (
    check_batch_size,
    check_epochs,
    check_key,
    check_learning_rate,
    check_losses,
    check_mass,
    check_shapes,
    check_values,
    count_rows,
)


class Optimizer(NamedTuple):
    """Two pure functions that turn gradients into updates, by the protocol of `optax`.

    `init(params)` returns the first `opt_state`, and `update(grads, opt_state, params)`
    returns `(updates, opt_state)`, where `updates` is what to add to the parameters.
    An `optax.GradientTransformation` has the same two fields and serves as well.
    """

    init: Callable
    update: Callable


def sgd(learning_rate):
    """Stochastic gradient descent: updates = -learning_rate * grads.

    learning_rate: positive number, or a traced scalar under `jax.vmap`.
    Make the optimizer once and pass it around: a new one compiles `fit` anew.
    """
    check_learning_rate(learning_rate)

    def init(params):
        return ()

    def update(grads, opt_state, params=None):
        return jax.tree.map(lambda g: -learning_rate * g, grads), opt_state

    return Optimizer(init, update)


def momentum(learning_rate, mass=0.9):
    """Gradient descent with momentum: velocity = mass * velocity + grads, updates = -learning_rate * velocity.

    learning_rate: positive number, or a traced scalar under `jax.vmap`.
    mass: the share of the velocity that each step keeps, in [0, 1), or a traced scalar.
    """
    check_learning_rate(learning_rate)
    check_mass(mass)

    def init(params):
        return jax.tree.map(jnp.zeros_like, params)

    def update(grads, velocity, params=None):
        velocity = jax.tree.map(lambda v, g: mass * v + g, velocity, grads)
        return jax.tree.map(lambda v: -learning_rate * v, velocity), velocity

    return Optimizer(init, update)


class TrainState(NamedTuple):
    """What training carries from one step to the next: two pytrees and nothing else."""

    params: Any
    opt_state: Any


def init_state(params, optimizer):
    """Return the `TrainState` before the first step."""
    return TrainState(params, optimizer.init(params))


@partial(jax.jit, static_argnames=("loss_fn", "optimizer"))
def train_step(state, batch, *, loss_fn, optimizer):
    """Take one step of gradient descent on one batch.

    state: TrainState.
    batch: what `loss_fn` takes, as a rule `(x, y)` with `x (n, d)` and `y (n,)`, or one-hot `(n, k)`.
    loss_fn: `loss_fn(params, batch) -> scalar`.
    optimizer: Optimizer, ours or optax's.

    Returns the new TrainState and the loss before the step: the pair that
    `jax.lax.scan` expects of its body. Raises ValueError where x and y do not fit together;
    the numbers in them are looked at by `fit`, before its first step.
    """
    check_shapes(batch)
    loss, grads = jax.value_and_grad(loss_fn)(state.params, batch)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    params = jax.tree.map(jnp.add, state.params, updates)
    return TrainState(params, opt_state), loss


def minibatches(key, n, batch_size):
    """Shuffle the row numbers 0 to n - 1 and cut them into batches.

    Returns int32 `(n // batch_size, batch_size)`: no row twice, and the
    `n % batch_size` rows at the end of the shuffle sit this epoch out.

    Raises ValueError unless key is a typed key and batch_size a whole number in [1, n].
    """
    check_key(key)
    check_batch_size(batch_size, n)
    steps = n // batch_size
    return jax.random.permutation(key, n)[: steps * batch_size].reshape(steps, batch_size)


def fit(key, state, data, *, loss_fn, optimizer, epochs, batch_size, metrics=None):
    """Train for some epochs of shuffled minibatches, as one compiled program.

    key: typed PRNG key; epoch i is shuffled by `jax.random.fold_in(key, i)`.
    state: TrainState to start from, so that a second call goes on from the first.
    data: pytree of arrays with n rows each, as a rule `(x, y)`.
    loss_fn, optimizer: as in `train_step`.
    epochs: passes over the data, at least 1.
    batch_size: rows per step, in [1, n].
    metrics: None, or `metrics(params) -> dict of scalars`, evaluated after each epoch.

    Returns the last TrainState and the history: a dict of float32 arrays, with
    `"loss" (epochs, n // batch_size)`, the loss before each step, and each metric `(epochs,)`.

    Raises ValueError where the key, the data, epochs or batch_size cannot be right, before any training, and
    FloatingPointError where the loss does not stay finite. Values are not looked at under `jit` or `vmap`.
    """
    check_key(key)
    check_epochs(epochs)
    check_shapes(data)
    check_batch_size(batch_size, count_rows(data))
    check_values(state.params, data, loss_fn=loss_fn, batch_size=batch_size)
    options = dict(loss_fn=loss_fn, optimizer=optimizer, epochs=epochs, batch_size=batch_size, metrics=metrics)
    state, history = _run_epochs(key, state, data, **options)
    check_losses(history["loss"])
    return state, history


@partial(jax.jit, static_argnames=("loss_fn", "optimizer", "epochs", "batch_size", "metrics"))
def _run_epochs(key, state, data, *, loss_fn, optimizer, epochs, batch_size, metrics):
    n = count_rows(data)

    def run_batch(state, rows):
        batch = jax.tree.map(lambda array: array[rows], data)
        return train_step(state, batch, loss_fn=loss_fn, optimizer=optimizer)

    def run_epoch(state, epoch):
        rows = minibatches(jax.random.fold_in(key, epoch), n, batch_size)
        state, losses = jax.lax.scan(run_batch, state, rows)
        return state, {"loss": losses} | (metrics(state.params) if metrics else {})

    return jax.lax.scan(run_epoch, state, jnp.arange(epochs))
