"""One epoch of MNIST, the same in every library that is installed: 784-256-128-10, SGD, batches of 128.

Each function takes a problem and returns a function that trains one epoch from the start and
returns the mean loss over it. All see the same first weights and the same batches.
"""

from importlib.util import find_spec
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.to_98 import SIZES, draw_params
from helpers.data import load_mnist
from helpers.training import fit, init_state, minibatches, sgd

LEARNING_RATE, BATCH_SIZE = 0.1, 128


class Problem(NamedTuple):
    x: np.ndarray  # (60_000, 784), float32
    y: np.ndarray  # (60_000,), int32
    params: list  # of (w, b), w float32 (d, k), b float32 (k,)
    key: jax.Array  # shuffles the epoch
    rows: np.ndarray  # (468, 128), the rows of each batch


def load_problem():
    (x, y), _ = load_mnist()
    key = jax.random.key(0)
    rows = np.asarray(minibatches(jax.random.fold_in(key, 0), len(x), BATCH_SIZE))
    return Problem(x, y, draw_params(), key, rows)


def predict(params, x):
    for w, b in params[:-1]:
        x = jnp.maximum(0, x @ w + b)
    w, b = params[-1]
    return x @ w + b


def loss_fn(params, batch):
    x, y = batch
    return -jnp.mean(jax.nn.log_softmax(predict(params, x))[jnp.arange(len(y)), y])


def ours(problem):
    data = jax.device_put((problem.x, problem.y))
    optimizer = sgd(LEARNING_RATE)
    state = init_state(jax.device_put(problem.params), optimizer)

    def run():
        options = dict(loss_fn=loss_fn, optimizer=optimizer, epochs=1, batch_size=BATCH_SIZE)
        return fit(problem.key, state, data, **options)[1]["loss"].mean()

    return run


def python_loop(problem):
    """A compiled update called from a Python loop over NumPy batches, as the article trains its class.

    Without the class, and with the loss and the start of the others: the article's would not reach their loss.
    """
    one_hot = np.eye(10, dtype=np.float32)[problem.y]

    @jax.jit
    def update(params, x, y):
        def cost(params):
            return -jnp.mean(jnp.sum(jax.nn.log_softmax(predict(params, x)) * y, axis=1))

        loss, grads = jax.value_and_grad(cost)(params)
        return [(w - LEARNING_RATE * dw, b - LEARNING_RATE * db) for (w, b), (dw, db) in zip(params, grads)], loss

    def run():
        params, losses = problem.params, []
        for rows in problem.rows:
            params, loss = update(params, problem.x[rows], one_hot[rows])
            losses.append(loss)
        return np.mean(losses)

    return run


def numpy(problem):
    def run():
        params = [(w.copy(), b.copy()) for w, b in problem.params]
        losses = []
        for rows in problem.rows:
            x, y = problem.x[rows], problem.y[rows]
            activations = [x]
            for w, b in params[:-1]:
                activations.append(np.maximum(0, activations[-1] @ w + b))
            w, b = params[-1]
            logits = activations[-1] @ w + b
            logits -= logits.max(axis=1, keepdims=True)
            log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
            losses.append(-log_p[np.arange(len(y)), y].mean())
            delta = np.exp(log_p)
            delta[np.arange(len(y)), y] -= 1
            delta /= len(y)
            for (w, b), a in zip(reversed(params), reversed(activations)):
                dw, db = a.T @ delta, delta.sum(axis=0)
                if a is not x:
                    delta = (delta @ w.T) * (a > 0)
                w -= LEARNING_RATE * dw
                b -= LEARNING_RATE * db
        return np.mean(losses)

    return run


def floor(problem):
    """No training at all: the eight matrix products of each step, in NumPy's BLAS; there is no loss to return."""
    (w1, _), (w2, _), (w3, _) = problem.params
    x = problem.x[:BATCH_SIZE]
    a1, a2, logits = x @ w1, x @ w1 @ w2, x @ w1 @ w2 @ w3

    def run():
        for _ in problem.rows:
            x @ w1, a1 @ w2, a2 @ w3, a2.T @ logits, logits @ w3.T, a1.T @ a2, a2 @ w2.T, x.T @ a1
        return np.nan

    return run


def pytorch(problem):
    import torch

    linear = [torch.nn.Linear(d, k) for d, k in zip(SIZES, SIZES[1:])]
    model = torch.nn.Sequential(linear[0], torch.nn.ReLU(), linear[1], torch.nn.ReLU(), linear[2])
    x, y = torch.from_numpy(problem.x), torch.from_numpy(problem.y).long()
    all_rows = torch.from_numpy(problem.rows.astype(np.int64))
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)

    def run():
        with torch.no_grad():
            for layer, (w, b) in zip(linear, problem.params):
                layer.weight.copy_(torch.from_numpy(w.T))
                layer.bias.copy_(torch.from_numpy(b))
        losses = []
        for rows in all_rows:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses).mean()

    return run


def equinox(problem):
    import equinox as eqx
    import optax

    model = eqx.nn.Sequential(
        [
            layer
            for (d, k), last in zip(zip(SIZES, SIZES[1:]), (False, False, True))
            for layer in [eqx.nn.Linear(d, k, key=problem.key)] + ([] if last else [eqx.nn.Lambda(jax.nn.relu)])
        ]
    )
    for i, (w, b) in zip((0, 2, 4), problem.params):
        model = eqx.tree_at(lambda m, i=i: (m[i].weight, m[i].bias), model, (jnp.asarray(w.T), jnp.asarray(b)))
    x, y = jax.device_put((problem.x, problem.y))
    optimizer = optax.sgd(LEARNING_RATE)
    opt_state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))

    def loss_fn(model, x, y):
        return optax.softmax_cross_entropy_with_integer_labels(jax.vmap(model)(x), y).mean()

    @eqx.filter_jit
    def step(model, opt_state, x, y):
        loss, grads = eqx.filter_value_and_grad(loss_fn)(model, x, y)
        updates, opt_state = optimizer.update(grads, opt_state)
        return eqx.apply_updates(model, updates), opt_state, loss

    def run():
        trained, state, losses = model, opt_state, []
        for rows in problem.rows:
            trained, state, loss = step(trained, state, x[rows], y[rows])
            losses.append(loss)
        return np.mean(losses)

    return run


def flax(problem):
    import flax.linen as nn
    import optax

    class MLP(nn.Module):
        @nn.compact
        def __call__(self, x):
            for k in SIZES[1:-1]:
                x = nn.relu(nn.Dense(k)(x))
            return nn.Dense(SIZES[-1])(x)

    model = MLP()
    start = {"params": {f"Dense_{i}": {"kernel": w, "bias": b} for i, (w, b) in enumerate(problem.params)}}
    x, y = jax.device_put((problem.x, problem.y))
    optimizer = optax.sgd(LEARNING_RATE)

    @jax.jit
    def step(params, opt_state, x, y):
        def loss_fn(params):
            return optax.softmax_cross_entropy_with_integer_labels(model.apply(params, x), y).mean()

        loss, grads = jax.value_and_grad(loss_fn)(params)
        updates, opt_state = optimizer.update(grads, opt_state)
        return optax.apply_updates(params, updates), opt_state, loss

    def run():
        params, state, losses = start, optimizer.init(start), []
        for rows in problem.rows:
            params, state, loss = step(params, state, x[rows], y[rows])
            losses.append(loss)
        return np.mean(losses)

    return run


def scikit_learn(problem):
    """`partial_fit` takes one step per batch, from the weights that it finds, for one epoch."""
    from sklearn.neural_network import MLPClassifier

    options = dict(solver="sgd", momentum=0, learning_rate_init=LEARNING_RATE, alpha=0, batch_size=BATCH_SIZE)
    model = MLPClassifier(SIZES[1:-1], shuffle=False, max_iter=1, **options)
    in_order = problem.rows.reshape(-1)
    x, y = problem.x[in_order], problem.y[in_order]
    model.partial_fit(x[:BATCH_SIZE], y[:BATCH_SIZE], classes=np.arange(10))

    def run():
        model.coefs_ = [w.copy() for w, _ in problem.params]
        model.intercepts_ = [b.copy() for _, b in problem.params]
        model._optimizer.params = model.coefs_ + model.intercepts_
        model.partial_fit(x, y)
        return model.loss_

    return run


RIVALS = {
    "ours": (ours, "jax"),
    "jit in a Python loop": (python_loop, "jax"),
    "NumPy": (numpy, "numpy"),
    "PyTorch": (pytorch, "torch"),
    "equinox + optax": (equinox, "equinox"),
    "flax + optax": (flax, "flax"),
    "scikit-learn": (scikit_learn, "sklearn"),
}


def rivals(problem):
    """Return the rivals that are installed as a dict of name and run, and the names of those that are not."""
    present = {name: make(problem) for name, (make, module) in RIVALS.items() if find_spec(module)}
    return present, [name for name in RIVALS if name not in present]
