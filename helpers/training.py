"""Training by gradient descent, in the order in which the pieces build on each other.

cross_entropy    a loss for classes
sgd, momentum    make an Optimizer, which turns gradients into updates
make_trainer     turns a loss and an optimizer into a Trainer, which takes one step
minibatches      shuffles the rows and cuts them into batches
fit              runs many epochs as one compiled program
"""

from collections.abc import Callable
from functools import partial
from operator import index
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer


def cross_entropy(logits, labels):
    """Return the negative log-probability of the right class, averaged over n examples.

    logits: `(n, k)`. labels: `(n,)`, integers from 0 to k - 1; any other integer makes the loss NaN.
    """
    if labels.shape != logits.shape[:1]:
        raise ValueError(f"labels must have shape {logits.shape[:1]}, got {labels.shape}")
    # Without these options JAX would clamp a label that is too large, and -1 would mean the last class.
    options = dict(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)
    picked = jax.nn.log_softmax(logits).at[jnp.arange(len(labels)), labels].get(**options)
    return -picked.mean()


class Optimizer(NamedTuple):
    """Two pure functions that turn gradients into updates, as in `optax`, whose optimizers fit in here too."""

    init: Callable  # params -> opt_state
    update: Callable  # (grads, opt_state, params) -> (updates, opt_state); the updates are to be added to params


def sgd(learning_rate):
    """Gradient descent, with a positive learning rate: updates = -learning_rate * grads."""
    # Inside `jax.jit` and `jax.vmap` it may be a Tracer, whose value is not known yet.
    if not isinstance(learning_rate, Tracer) and not learning_rate > 0:
        raise ValueError(f"learning_rate must be positive, got {learning_rate}")

    def init(params):
        return ()

    def update(grads, opt_state, params=None):
        return jax.tree.map(lambda g: -learning_rate * g, grads), opt_state

    return Optimizer(init, update)


def momentum(learning_rate, mass=0.9):
    """Momentum, with mass in [0, 1): velocity = mass * velocity + grads, updates = -learning_rate * velocity."""
    if not isinstance(learning_rate, Tracer) and not learning_rate > 0:
        raise ValueError(f"learning_rate must be positive, got {learning_rate}")
    if not isinstance(mass, Tracer) and not 0 <= mass < 1:
        raise ValueError(f"mass must be in [0, 1), got {mass}")

    def init(params):
        return jax.tree.map(jnp.zeros_like, params)

    def update(grads, velocity, params=None):
        velocity = jax.tree.map(lambda v, g: (mass * v + g).astype(v.dtype), velocity, grads)
        return jax.tree.map(lambda v: -learning_rate * v, velocity), velocity

    return Optimizer(init, update)


class TrainState(NamedTuple):
    """What training carries from one step to the next, two pytrees."""

    params: Any
    opt_state: Any


class Trainer(NamedTuple):
    """Two pure functions that train a model."""

    init: Callable  # params -> TrainState
    step: Callable  # (state, batch) -> (state, loss), compiled; `jax.lax.scan` takes it as its body


def make_trainer(loss_fn, optimizer):
    """Build a Trainer from a loss and an optimizer.

    loss_fn: `loss_fn(params, batch) -> scalar`, where batch is any pytree of arrays.
    optimizer: an Optimizer, or one from `optax`. Those whose update also needs the loss (`optax.lbfgs`,
        `optax.polyak_sgd`, `optax.contrib.reduce_on_plateau`) raise a TypeError that asks for its `value`.

    `step` returns the loss before its update, and each parameter keeps its dtype. Every new Trainer compiles anew.
    """

    def init(params):
        return TrainState(params, optimizer.init(params))

    @jax.jit
    def step(state, batch):
        loss, grads = jax.value_and_grad(loss_fn)(state.params, batch)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = jax.tree.map(lambda p, u: (p + u).astype(p.dtype), state.params, updates)
        return TrainState(params, opt_state), loss

    return Trainer(init, step)


def minibatches(key, n, batch_size):
    """Shuffle the row numbers below n and cut them into full batches, `(n // batch_size, batch_size)`."""
    if not 1 <= batch_size <= n:
        raise ValueError(f"batch_size must be in [1, {n}], because there are {n} rows, got {batch_size}")
    steps = n // batch_size
    return jax.random.permutation(key, n)[: steps * batch_size].reshape(steps, batch_size)


@partial(jax.jit, static_argnames=("step", "epochs", "batch_size", "metrics"))
def _run_epochs(key, state, data, *, step, epochs, batch_size, metrics):
    n = len(jax.tree.leaves(data)[0])

    def run_batch(state, rows):
        return step(state, jax.tree.map(lambda array: array[rows], data))

    def run_epoch(state, epoch):
        rows = minibatches(jax.random.fold_in(key, epoch), n, batch_size)
        state, losses = jax.lax.scan(run_batch, state, rows)
        measured = metrics(state.params) if metrics else {}
        if "loss" in measured:
            raise ValueError('no metric may be named "loss", which is the name of the losses before each step')
        return state, {"loss": losses} | measured

    return jax.lax.scan(run_epoch, state, jnp.arange(epochs))


def _is_finite(tree):
    return all(isinstance(leaf, Tracer) or jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree))


def fit(key, state, data, *, step, epochs, batch_size, metrics=None):
    """Train for a number of epochs on shuffled minibatches, in one compiled program.

    key: typed PRNG key. Epoch i is shuffled by `jax.random.fold_in(key, i)`.
    state: the TrainState to start from, which is left as it was. To train on, pass the returned one.
    data: any pytree of arrays with n rows each, such as `(x, y)` or `(x, {"y": y, "weight": weight})`.
    step: the step of a Trainer. epochs: integer, at least 1. batch_size: integer in [1, n].
    metrics: None, or `metrics(params) -> dict of scalars`, evaluated after each epoch. Arrays that it closes over
        are compiled into the program, so define it anew after you replace one of them.

    Returns the last TrainState and a history, a dict of arrays: `"loss" (epochs, n // batch_size)`, the loss before
    each step, and each metric `(epochs,)`.

    Raises ValueError if the arrays differ in their number of rows or an option is out of its range, and
    FloatingPointError if a loss or a parameter is no longer finite (but not inside `jax.jit` or `jax.vmap`).
    """
    epochs, batch_size = index(epochs), index(batch_size)
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}")
    data = jax.tree.map(lambda a: a if isinstance(a, jax.Array) else jax.device_put(np.asarray(a)), data)
    shapes = [array.shape for array in jax.tree.leaves(data)]
    if () in shapes or len({shape[0] for shape in shapes}) != 1:  # JAX would clamp row numbers that are too large
        raise ValueError(f"data must hold arrays (not lists) with the same number of rows, got shapes {shapes[:4]}")

    state, history = _run_epochs(key, state, data, step=step, epochs=epochs, batch_size=batch_size, metrics=metrics)
    advice = "try a tenth of the learning rate, and look for NaNs in the data and for labels that are not a class"
    if not _is_finite(history["loss"]):
        losses = np.asarray(history["loss"])
        epoch, i = np.argwhere(~np.isfinite(losses))[0, :2]
        raise FloatingPointError(f"the loss became {losses[epoch, i]} at step {i + 1} of epoch {epoch + 1}: {advice}")
    if not _is_finite(state.params):
        raise FloatingPointError(f"a parameter is not finite after the last step: {advice}")
    return state, history
