"""The three small problems: the loop that the articles print, and the same training as one program.

Each function returns two rivals, `{"article": run, "ours": run}`, that start from the same
parameters, see the same batches in the same order, and return the last loss.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax.example_libraries import optimizers, stax

from helpers.data import make_circles
from helpers.training import init_state, momentum, sgd, train_step

XOR = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), jnp.array([0.0, 1.0, 1.0, 0.0])


# XOR: a 2-16-1 network, 500 epochs of four updates on one example each.


def init_xor(key, h=16):
    k1, k2 = jax.random.split(key)
    return {
        "w1": jax.random.normal(k1, (2, h)),
        "b1": jnp.zeros(h),
        "w2": jax.random.normal(k2, (h,)) * jnp.sqrt(2 / h),
        "b2": jnp.zeros(()),
    }


def xor_loss(params, example):
    x, y = example
    hidden = jnp.maximum(0, x @ params["w1"] + params["b1"])
    return (hidden @ params["w2"] + params["b2"] - y) ** 2


XOR_SGD = sgd(0.03)


@jax.jit
def train_xor(params):
    """Train one network; `jax.vmap` of this trains many."""

    def run_epoch(state, _):
        return jax.lax.scan(
            lambda state, example: train_step(state, example, loss_fn=xor_loss, optimizer=XOR_SGD), state, XOR
        )

    return jax.lax.scan(run_epoch, init_state(params, XOR_SGD), length=500)


def xor():
    start = init_xor(jax.random.key(0))

    def update(params, example):
        grads = jax.grad(xor_loss)(params, example)
        return {name: params[name] - 0.03 * grads[name] for name in params}

    def article():
        params, losses = start, []
        for _ in range(500):
            total = 0
            for example in zip(*XOR):
                total += xor_loss(params, example)
                params = update(params, example)
            losses.append(total / 4)
        return losses[-1]

    return {"article": article, "ours": lambda: train_xor(start)[1][-1].mean()}


# A line: two features, 5,000 steps on bootstrapped batches of 100 rows.


def line():
    rng = np.random.default_rng(0)
    x = 10 * rng.random((1000, 2), dtype=np.float32)
    y = x @ np.array([3, 4], np.float32) + 5 + rng.random(1000, dtype=np.float32)
    rows = rng.integers(0, 1000, (5000, 100))
    start = {"w": rng.standard_normal(2, dtype=np.float32), "b": np.zeros((), np.float32)}

    @jax.jit
    def loss_fn(params, batch):
        x, y = batch
        return jnp.sqrt(jnp.mean((x @ params["w"] + params["b"] - y) ** 2))

    def article():
        params, losses = dict(start), np.zeros(5000)
        gradient = jax.grad(loss_fn)
        for i, r in enumerate(rows):
            batch = x[r], y[r]
            losses[i] = loss_fn(params, batch)
            grads = gradient(params, batch)
            params = {name: params[name] - 0.01 * grads[name] for name in params}
        return losses[-1]

    optimizer = sgd(0.01)

    @jax.jit
    def train(params, rows, x, y):
        def step(state, r):
            return train_step(state, (x[r], y[r]), loss_fn=loss_fn, optimizer=optimizer)

        return jax.lax.scan(step, init_state(params, optimizer), rows)[1]

    return {"article": article, "ours": lambda: train(start, rows, x, y)[-1]}


# Circles: 250 steps on all 140 rows, and four metrics after each, kept as a table.


def circles():
    train, test = make_circles()
    k1, k2 = jax.random.split(jax.random.key(0))
    w1, b1 = jax.random.normal(k1, (2, 64)), jnp.zeros(64)
    w2, b2 = jax.random.normal(k2, (64, 2)) * jnp.sqrt(1 / 64), jnp.zeros(2)

    # The article's: layers and momentum from JAX's example libraries, a compiled step, the metrics op by op.
    _, stax_predict = stax.serial(stax.Dense(64), stax.elementwise(jax.nn.swish), stax.Dense(2))
    opt_init, opt_update, get_params = optimizers.momentum(step_size=0.05, mass=0.9)

    def stax_loss(params, batch):
        x, y = batch
        return jnp.mean(-jax.nn.log_softmax(stax_predict(params, x))[np.arange(len(y)), y])

    def stax_accuracy(params, batch):
        x, y = batch
        return jnp.mean(jnp.argmax(stax_predict(params, x), axis=1) == y)

    @jax.jit
    def stax_step(i, opt_state, batch):
        return opt_update(i, jax.grad(stax_loss)(get_params(opt_state), batch), opt_state)

    def article():
        opt_state, history = opt_init([(w1, b1), (), (w2, b2)]), []
        for i in range(250):
            opt_state = stax_step(i, opt_state, train)
            params = get_params(opt_state)
            history.append(
                {
                    "train_loss": stax_loss(params, train),
                    "test_loss": stax_loss(params, test),
                    "train_accuracy": stax_accuracy(params, train),
                    "test_accuracy": stax_accuracy(params, test),
                }
            )
        return pd.DataFrame(history).astype(float)["test_loss"].iloc[-1]

    def predict(params, x):
        return jax.nn.swish(x @ params["w1"] + params["b1"]) @ params["w2"] + params["b2"]

    def loss_fn(params, batch):
        x, y = batch
        return -jnp.mean(jax.nn.log_softmax(predict(params, x))[jnp.arange(len(y)), y])

    def metrics(params):
        values = {}
        for name, (x, y) in {"train": train, "test": test}.items():
            logits = predict(params, x)
            values[f"{name}_loss"] = -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(len(y)), y])
            values[f"{name}_accuracy"] = jnp.mean(jnp.argmax(logits, axis=1) == y)
        return values

    optimizer = momentum(0.05)
    state = init_state({"w1": w1, "b1": b1, "w2": w2, "b2": b2}, optimizer)

    @jax.jit
    def run(state):
        def epoch(state, _):
            state, _ = train_step(state, train, loss_fn=loss_fn, optimizer=optimizer)
            return state, metrics(state.params)

        return jax.lax.scan(epoch, state, length=250)[1]

    def ours():
        return pd.DataFrame(jax.device_get(run(state)))["test_loss"].iloc[-1]

    return {"article": article, "ours": ours}
