"""What is trained, by us and by others; each run starts anew, on the same batches, and returns the loss it reached.

xor, line, circles    return both `(ours, loop)`, where the loop is what one writes first
the rest              return a run of one epoch of MNIST: 784-256-128-10, SGD, batches of 128
"""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from helpers.datasets import load_mnist, make_circles
from helpers.training import fit, make_trainer, minibatches, momentum, sgd
from tools.benchmark.network import SIZES, draw_params, torch_model

LEARNING_RATE, BATCH_SIZE = 0.1, 128


def predict(params, x, activation=jax.nn.relu):
    for w, b in params[:-1]:
        x = activation(x @ w + b)
    w, b = params[-1]
    return x @ w + b


def class_loss(params, batch, activation=jax.nn.relu):
    x, y = batch
    return -jnp.mean(jax.nn.log_softmax(predict(params, x, activation))[jnp.arange(len(y)), y])


def accuracy(params, batch, activation=jax.nn.relu):
    x, y = batch
    return jnp.mean(jnp.argmax(predict(params, x, activation), axis=1) == y)


def descend(params, grads, learning_rate):
    return jax.tree.map(lambda p, g: p - learning_rate * g, params, grads)


def xor():
    """A 2-16-1 network, 500 epochs of four steps on one example each; the loop has no `jit`."""
    data = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), jnp.array([0.0, 1.0, 1.0, 0.0])

    def loss_fn(params, example):
        x, y = example
        return (predict(params, x)[0] - y) ** 2

    def loop():
        params = draw_params((2, 16, 1))
        for _ in range(500):
            losses = []
            for example in zip(*data):
                loss, grads = jax.value_and_grad(loss_fn)(params, example)
                params = descend(params, grads, 0.03)
                losses.append(loss)
        return np.mean(losses)

    init, step = make_trainer(loss_fn, sgd(0.03))

    @jax.jit
    def train(params):
        return jax.lax.scan(lambda state, _: jax.lax.scan(step, state, data), init(params), length=500)[1][-1].mean()

    return lambda: train(draw_params((2, 16, 1))), loop


def line():
    """Two features, 5,000 steps on bootstrapped batches of 100 rows; the loop has a compiled loss."""
    rng = np.random.default_rng(0)
    x = 10 * rng.random((1000, 2), dtype=np.float32)
    y = x @ np.array([3, 4], np.float32) + 5 + rng.random(1000, dtype=np.float32)
    rows = rng.integers(0, 1000, (5000, 100))

    @jax.jit
    def loss_fn(params, batch):
        x, y = batch
        return jnp.sqrt(jnp.mean((predict(params, x)[:, 0] - y) ** 2))

    def loop():
        params, losses, gradient = draw_params((2, 1)), [], jax.grad(loss_fn)
        for r in rows:
            losses.append(float(loss_fn(params, (x[r], y[r]))))
            params = descend(params, gradient(params, (x[r], y[r])), 0.01)
        return losses[-1]

    init, step = make_trainer(loss_fn, sgd(0.01))

    @jax.jit
    def train(params, x, y, rows):
        return jax.lax.scan(lambda state, r: step(state, (x[r], y[r])), init(params), rows)[1][-1]

    return lambda: train(draw_params((2, 1)), x, y, rows), loop


def circles():
    """250 steps on all 140 rows, with four metrics after each; the loop has a compiled step."""
    train, test = make_circles()
    loss_fn, share = partial(class_loss, activation=jax.nn.swish), partial(accuracy, activation=jax.nn.swish)

    def metrics(params):
        losses = {"train_loss": loss_fn(params, train), "test_loss": loss_fn(params, test)}
        return losses | {"train_accuracy": share(params, train), "test_accuracy": share(params, test)}

    init, step = make_trainer(loss_fn, momentum(0.05))

    def ours():
        options = dict(step=step, epochs=250, batch_size=len(train[1]), metrics=metrics)
        return fit(jax.random.key(0), init(draw_params((2, 64, 2))), train, **options)[1]["test_loss"][-1]

    def loop():
        state, history = init(draw_params((2, 64, 2))), []
        for _ in range(250):
            state, _ = step(state, train)
            history.append({name: float(value) for name, value in metrics(state.params).items()})
        return history[-1]["test_loss"]

    return ours, loop


@cache
def mnist():
    """Return the key of the epoch, the rows `(468, 128)` of its batches by `fit`, the images x and the labels y."""
    (x, y), _ = load_mnist()
    key = jax.random.key(0)
    return key, np.asarray(minibatches(jax.random.fold_in(key, 0), len(x), BATCH_SIZE), np.int64), x, y


def ours():
    key, _, x, y = mnist()
    data = jax.device_put((x, y))
    init, step = make_trainer(class_loss, sgd(LEARNING_RATE))
    options = dict(step=step, epochs=1, batch_size=BATCH_SIZE)
    return lambda: fit(key, init(draw_params()), data, **options)[1]["loss"].mean()


def loop(step, start, array=np.asarray):
    """Return a run in a Python loop: `step(state, x, y) -> (state, loss)`, from `start() -> state`."""
    batches, x, y = map(array, mnist()[1:])

    def run():
        state, losses = start(), []
        for rows in batches:
            state, loss = step(state, x[rows], y[rows])
            losses.append(loss)
        return np.mean([float(loss) for loss in losses])

    return run


def compiled_step():
    init, step = make_trainer(class_loss, sgd(LEARNING_RATE))
    return loop(lambda state, x, y: step(state, (x, y)), lambda: init(draw_params()))


def pytorch():
    import torch

    model, start = torch_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)

    def step(state, x, y):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return state, loss.detach()

    return loop(step, start, lambda a: torch.from_numpy(a if a.dtype == np.float32 else a.astype(np.int64)))


def numpy():
    def step(params, x, y):
        activations = [x]
        for w, b in params[:-1]:
            activations.append(np.maximum(0, activations[-1] @ w + b))
        w, b = params[-1]
        logits = activations[-1] @ w + b
        logits -= logits.max(axis=1, keepdims=True)
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        delta = np.exp(log_p)
        delta[np.arange(len(y)), y] -= 1
        delta /= len(y)
        for (w, b), a in zip(reversed(params), reversed(activations)):
            dw, db = a.T @ delta, delta.sum(axis=0)
            if a is not x:
                delta = (delta @ w.T) * (a > 0)
            w -= LEARNING_RATE * dw
            b -= LEARNING_RATE * db
        return params, -log_p[np.arange(len(y)), y].mean()

    return loop(step, draw_params)


def products():
    """No training at all: the eight matrix products of each step, in NumPy's BLAS; there is no loss to return."""
    _, batches, x, _ = mnist()
    (w1, _), (w2, _), (w3, _) = draw_params()
    x = x[:BATCH_SIZE]
    a1, a2, logits = x @ w1, x @ w1 @ w2, x @ w1 @ w2 @ w3

    def run():
        for _ in batches:
            x @ w1, a1 @ w2, a2 @ w3, a2.T @ logits, logits @ w3.T, a1.T @ a2, a2 @ w2.T, x.T @ a1
        return np.nan

    return run


def scikit_learn():
    """`partial_fit` takes one step per batch, from the weights that it finds, for one epoch."""
    from sklearn.neural_network import MLPClassifier

    _, batches, x, y = mnist()
    x, y = x[batches.ravel()], y[batches.ravel()]
    options = dict(solver="sgd", momentum=0, learning_rate_init=LEARNING_RATE, alpha=0, batch_size=BATCH_SIZE)
    model = MLPClassifier(SIZES[1:-1], shuffle=False, max_iter=1, **options)
    model.partial_fit(x[:BATCH_SIZE], y[:BATCH_SIZE], classes=np.arange(10))

    def run():
        model.coefs_, model.intercepts_ = map(list, zip(*draw_params()))
        model._optimizer.params = model.coefs_ + model.intercepts_
        model.partial_fit(x, y)
        return model.loss_

    return run
