"""How fast the notebooks' training is beside other ways to do it: `python -m tools.benchmark`.

XOR, 500 epochs       2-16-1 units, one example at a time
MNIST, one epoch      784-256-128-10 units, SGD, batches of 128 rows
MNIST, cold           whole processes, three epochs of Adam, to about 98% of the test images
"""

import platform
import re
import subprocess
import sys
import time
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from helpers.datasets import load_mnist

if sys.argv[1:] != ["PyTorch"]:  # whose cold process needs none of these
    import jax
    import optax
    import pandas as pd
    from sklearn.neural_network import MLPClassifier

    from helpers.training import cross_entropy, fit, make_trainer, minibatches, sgd
if sys.argv[1:] != ["ours"] and find_spec("torch"):
    import torch

SIZES, RATE, BATCH_SIZE = (784, 256, 128, 10), 0.1, 128
COLD_EPOCHS, COLD_BATCH_SIZE, COLD_STEPS, PEAK, WARMUP, B2 = 3, 250, 720, 0.005, 0.2, 0.98


def draw_params(sizes=SIZES):
    draw, pairs = np.random.default_rng(0).standard_normal, zip(sizes, sizes[1:])
    return [(draw((d, h), np.float32) * np.float32(np.sqrt(2 / d)), np.zeros(h, np.float32)) for d, h in pairs]


def predict(params, x):
    for w, b in params[:-1]:
        x = jax.nn.relu(x @ w + b)
    w, b = params[-1]
    return x @ w + b


def class_loss(params, batch):
    return cross_entropy(predict(params, batch[0]), batch[1])


def xor():
    """Return two runs: a scan of scans, and the Python loop without `jit` that one writes first."""
    data = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), np.array([0, 1, 1, 0], np.float32)

    def loss_fn(params, example):
        return (predict(params, example[0])[0] - example[1]) ** 2

    init, step = make_trainer(loss_fn, sgd(0.03))
    scan = jax.jit(lambda state: jax.lax.scan(lambda state, _: jax.lax.scan(step, state, data), state, length=500))

    def plain_loop():
        params = draw_params((2, 16, 1))
        for _ in range(500):
            for example in zip(*data):
                loss, grads = jax.value_and_grad(loss_fn)(params, example)
                params = jax.tree.map(lambda p, g: p - 0.03 * g, params, grads)
        return params, loss

    return {"ours": lambda: scan(init(draw_params((2, 16, 1)))), "a loop without jit": plain_loop}


def loop(arrays, state, step):
    """Train for one epoch in a Python loop, `step(state, x, y) -> (state, loss)`, and return the losses."""
    batches, x, y = arrays
    losses = []
    for rows in batches:
        state, loss = step(state, x[rows], y[rows])
        losses.append(loss)
    return [float(loss) for loss in losses]


def torch_start(optimizer, **options):
    layers = []
    for w, b in draw_params():
        layers += [torch.nn.Linear(*w.shape), torch.nn.ReLU()]
        layers[-2].weight.data, layers[-2].bias.data = torch.from_numpy(w.T.copy()), torch.from_numpy(b)
    model = torch.nn.Sequential(*layers[:-1])
    return model, optimizer(model.parameters(), **options)


def torch_step(state, x, y):
    model, optimizer = state
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return state, loss.detach()


def numpy_step(params, x, y):
    (w1, b1), (w2, b2), (w3, b3) = params
    a1 = np.maximum(0, x @ w1 + b1)
    a2 = np.maximum(0, a1 @ w2 + b2)
    powers = np.exp(a2 @ w3 + b3)
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    d3 = (probabilities - np.eye(10, dtype=np.float32)[y]) / len(y)
    d2 = (d3 @ w3.T) * (a2 > 0)
    d1 = (d2 @ w2.T) * (a1 > 0)
    for (w, b), a, d in zip(params, (x, a1, a2), (d1, d2, d3)):
        w -= RATE * (a.T @ d)
        b -= RATE * d.sum(axis=0)
    return params, -np.log(probabilities[np.arange(len(y)), y]).mean()


def multiply(weights, x):
    """Do only the matrix products and the updates of one step, which no rival can leave out."""
    w1, w2, w3 = weights
    a1 = x @ w1
    a2 = a1 @ w2
    d3 = a2 @ w3
    d2 = d3 @ w3.T
    return [w1 - 1e-9 * (x.T @ (d2 @ w2.T)), w2 - 1e-9 * (a1.T @ d2), w3 - 1e-9 * (a2.T @ d3)], None


def mnist_epochs():
    """Return for each rival a function that trains a new network for one epoch."""
    (x, y), _ = load_mnist()
    rows = minibatches(jax.random.fold_in(jax.random.key(0), 0), len(x), BATCH_SIZE)  # as `fit` draws them
    batches = np.asarray(rows, np.int64)
    arrays = batches, x, y.astype(np.int64)
    data, in_batches, weights = jax.device_put((x, y)), x[batches], [w for w, _ in draw_params()]
    init, step = make_trainer(class_loss, sgd(RATE))
    train = partial(fit, jax.random.key(0), step=step, epochs=1, batch_size=BATCH_SIZE)
    products = jax.jit(partial(jax.lax.scan, multiply))
    options = dict(solver="sgd", momentum=0, learning_rate_init=RATE, alpha=0, batch_size=BATCH_SIZE)
    ordered = dict(X=in_batches.reshape(-1, 784), y=y[batches].ravel(), classes=np.arange(10))
    runs = {
        "ours": lambda: train(init(draw_params()), data),
        "a compiled step in a loop": lambda: loop(arrays, init(draw_params()), lambda state, *b: step(state, b)),
        "NumPy": lambda: loop(arrays, draw_params(), numpy_step),
        "scikit-learn": lambda: MLPClassifier(SIZES[1:-1], **options).partial_fit(**ordered).loss_,
        "products alone, XLA": partial(products, weights, jax.device_put(in_batches)),
    }
    if find_spec("torch"):
        tensors = [torch.from_numpy(array) for array in arrays]
        runs["PyTorch"] = lambda: loop(tensors, torch_start(torch.optim.SGD, lr=RATE), torch_step)
    return runs


def train_cold(rival):
    """Train until about 98% of the answers on the test images are right, both with the same recipe."""
    train, (x, y) = load_mnist()
    if rival == "ours":
        schedule = optax.cosine_onecycle_schedule(COLD_STEPS, PEAK, WARMUP)
        init, step = make_trainer(class_loss, optax.adam(schedule, b2=B2))
        options = dict(step=step, epochs=COLD_EPOCHS, batch_size=COLD_BATCH_SIZE)
        state, _ = fit(jax.random.key(0), init(draw_params()), train, **options)
        logits = predict(state.params, x)
    else:
        torch.manual_seed(0)
        images, labels, x = torch.from_numpy(train[0]), torch.from_numpy(train[1]).long(), torch.from_numpy(x)
        state = model, optimizer = torch_start(torch.optim.Adam, lr=PEAK, betas=(0.9, B2), fused=True)
        one_cycle = torch.optim.lr_scheduler.OneCycleLR
        schedule = one_cycle(optimizer, PEAK, COLD_STEPS, pct_start=WARMUP, cycle_momentum=False)
        for rows in torch.cat([torch.randperm(len(labels)) for _ in range(COLD_EPOCHS)]).split(COLD_BATCH_SIZE):
            torch_step(state, images[rows], labels[rows])
            schedule.step()
        logits = model(x).detach()
    share = np.mean(np.asarray(logits).argmax(axis=1) == y)
    assert share > 0.975, f"{rival} gets only {share:.2%} right"


def compare(problem, runs, rounds):
    """Time runs in turn; return a table of the first call of each, the median of the others, and both beside ours."""
    seconds = {rival: [] for rival in runs}
    for _ in range(rounds):
        for rival, run in runs.items():
            start = time.perf_counter()
            jax.block_until_ready(run())
            seconds[rival].append(time.perf_counter() - start)
    rows = {rival: (first, np.median(later)) for rival, (first, *later) in seconds.items()}
    table = pd.DataFrame(rows, ["first call (s)", "later calls (s)"]).T
    table[["first / ours", "later / ours"]] = table / table.loc["ours"]
    return pd.concat({problem: table})


def main():
    packages, command = ["jax", "numpy", "scikit-learn", "torch"], [sys.executable, "-m", "tools.benchmark"]
    cold = {rival: partial(subprocess.check_call, [*command, rival]) for rival in ("ours", "PyTorch")}
    if not find_spec("torch"):
        print("PyTorch is left out, because it is not installed: `make bench PEERS=1` installs it.")
        del cold["PyTorch"], packages[-1]
    problems = ("XOR, 500 epochs", xor(), 3), ("MNIST, one epoch", mnist_epochs(), 8), ("MNIST, cold", cold, 4)
    print(pd.concat([compare(*problem) for problem in problems]).to_string(float_format="{:.3g}".format))
    info = Path("/proc/cpuinfo")
    cpu = re.findall("model name.*: (.*)", info.read_text("utf-8")) if info.exists() else [platform.processor()]
    print(*cpu[:1], f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages), sep=", ")


if __name__ == "__main__":
    main() if len(sys.argv) == 1 else train_cold(sys.argv[1])
