"""Training by gradient descent: optimizers, one step, shuffled minibatches, and a whole run.

Optimizer, sgd, momentum            how a gradient becomes a change of the parameters
TrainState, Trainer, make_trainer   one batch in, new parameters and a loss out
minibatches                         a fresh shuffle of the rows, cut into batches
fit                                 all epochs of all batches, as one compiled program

What JAX would get wrong in silence is refused here. The rest it refuses in its own words.
"""

from collections.abc import Callable
from functools import partial
from numbers import Integral
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Optimizer(NamedTuple):
    """Two pure functions that turn gradients into updates, by the protocol of `optax`.

    An `optax.GradientTransformation` has the same two fields and serves as well.
    """

    init: Callable  # params -> opt_state
    update: Callable  # (grads, opt_state, params) -> (updates, opt_state), where updates are to be added to params


def sgd(learning_rate):
    """Stochastic gradient descent: updates = -learning_rate * grads.

    learning_rate: positive number, or a traced scalar under `jax.vmap`.
    """
    _check_learning_rate(learning_rate)

    def init(params):
        return ()

    def update(grads, opt_state, params=None):
        return jax.tree.map(lambda g: -learning_rate * g, grads), opt_state

    return Optimizer(init, update)


def momentum(learning_rate, mass=0.9):
    """Gradient descent with momentum: velocity = mass * velocity + grads, updates = -learning_rate * velocity.

    learning_rate: positive number, or a traced scalar under `jax.vmap`.
    mass: the share of the velocity that each step keeps, from 0 to below 1.
    """
    _check_learning_rate(learning_rate)

    def init(params):
        return jax.tree.map(jnp.zeros_like, params)

    def update(grads, velocity, params=None):
        velocity = jax.tree.map(lambda v, g: mass * v + g, velocity, grads)
        return jax.tree.map(lambda v: -learning_rate * v, velocity), velocity

    return Optimizer(init, update)


def _check_learning_rate(learning_rate):
    if not isinstance(learning_rate, jax.core.Tracer) and not learning_rate > 0:
        raise ValueError(f"learning_rate must be positive, got {learning_rate}")


class TrainState(NamedTuple):
    """What training carries from one step to the next: two pytrees and nothing else."""

    params: Any
    opt_state: Any


class Trainer(NamedTuple):
    """Two functions that train whatever `make_trainer` was given: a loss and an optimizer."""

    init: Callable  # params -> TrainState, before the first step
    step: Callable  # (state, batch) -> (state, loss before the step), compiled; the body that `jax.lax.scan` expects


def make_trainer(loss_fn, optimizer):
    """Join a loss and an optimizer to a Trainer.

    loss_fn: `loss_fn(params, batch) -> scalar`. batch: as a rule `(x, y)` with `x (n, d)` and `y (n,)` or `(n, k)`.
    optimizer: Optimizer, ours or optax's.

    Make a trainer once and keep it: a new one compiles anew. Its step raises ValueError
    where x and y differ in their number of rows or have none, or y is a column.
    """

    def init(params):
        return TrainState(params, optimizer.init(params))

    @jax.jit
    def step(state, batch):
        _check_batch(batch)
        loss, grads = jax.value_and_grad(loss_fn)(state.params, batch)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = jax.tree.map(jnp.add, state.params, updates)
        return TrainState(params, opt_state), loss

    return Trainer(init, step)


def _check_batch(batch):
    """Look at a pair of arrays x and y; any other pytree is the loss's business."""
    match batch:
        case (x, y) if hasattr(x, "ndim"):
            # An x with one axis may be one example, which has no rows.
            if x.ndim > 1 and np.shape(x)[:1] != np.shape(y)[:1]:
                raise ValueError(f"x and y must have the same number of rows, got {np.shape(x)} and {np.shape(y)}")
            if x.ndim > 1 and not len(x):  # a mean over no rows is NaN
                raise ValueError(f"x and y must have at least one row, got {np.shape(x)} and {np.shape(y)}")
            if np.shape(y)[1:] == (1,):  # with predictions (n,) it would broadcast to (n, n)
                raise ValueError(f"y must have shape (n,), got the column {np.shape(y)}: pass y[:, 0]")


def minibatches(key, n, batch_size):
    """Shuffle the row numbers 0 to n - 1 and cut them into batches.

    Returns int32 `(n // batch_size, batch_size)`: no row twice, and the
    `n % batch_size` rows at the end of the shuffle sit this epoch out.

    Raises ValueError unless batch_size is in [1, n].
    """
    if batch_size not in range(1, n + 1):
        raise ValueError(f"batch_size must be in [1, {n}], the number of rows, got {batch_size}")
    steps = n // batch_size
    return jax.random.permutation(key, n)[: steps * batch_size].reshape(steps, batch_size)


def fit(key, state, data, *, step, epochs, batch_size, metrics=None):
    """Train for some epochs of shuffled minibatches, as one compiled program.

    key: typed PRNG key; epoch i is shuffled by `jax.random.fold_in(key, i)`.
    state: TrainState to start from, so that a second call goes on from the first.
    data: pytree of arrays with n rows each, as a rule `(x, y)`.
    step: of a Trainer, `(state, batch) -> (state, loss)`.
    epochs: passes over the data, at least 1.
    batch_size: rows per step, in [1, n].
    metrics: None, or `metrics(params) -> dict of scalars`, evaluated after each epoch; another function compiles anew.

    Returns the last TrainState and the history: a dict of arrays, with `"loss" (epochs, n // batch_size)`,
    the loss before each step, and each metric `(epochs,)`.

    Raises ValueError where data, epochs, batch_size or the name of a metric cannot be right, and
    FloatingPointError where a loss is not finite, unless `fit` runs inside of `jit` or `vmap`.
    """
    if not isinstance(epochs, Integral) or epochs < 1:
        raise ValueError(f"epochs must be a whole number of at least 1, got {epochs}")
    state, history = _run_epochs(key, state, data, step=step, epochs=epochs, batch_size=batch_size, metrics=metrics)
    losses = history["loss"]
    if not isinstance(losses, jax.core.Tracer) and not np.isfinite(losses).all():
        epoch, i = np.argwhere(~np.isfinite(losses))[0]
        raise FloatingPointError(
            f"the loss became {losses[epoch, i]} in epoch {epoch + 1} of {epochs}, at its step {i + 1}: "
            "try a tenth of the learning rate, and look for a NaN in the data and for labels that are no class"
        )
    return state, history


@partial(jax.jit, static_argnames=("step", "epochs", "batch_size", "metrics"))
def _run_epochs(key, state, data, *, step, epochs, batch_size, metrics):
    shapes = [np.shape(array) for array in jax.tree.leaves(data)]
    if len({shape[:1] for shape in shapes}) != 1:
        raise ValueError(f"all arrays in data must have the same number of rows, got shapes {shapes}")
    n = shapes[0][0]

    def run_batch(state, rows):
        return step(state, jax.tree.map(lambda array: array[rows], data))

    def run_epoch(state, epoch):
        rows = minibatches(jax.random.fold_in(key, epoch), n, batch_size)
        state, losses = jax.lax.scan(run_batch, state, rows)
        measured = metrics(state.params) if metrics else {}
        if "loss" in measured:
            raise ValueError('a metric must have another name than "loss", which holds the loss before each step')
        return state, {"loss": losses} | measured

    return jax.lax.scan(run_epoch, state, jnp.arange(epochs))
