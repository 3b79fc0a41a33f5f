"""From a cold process to 98% on the 10,000 test images: `python -m benchmarks.to_98 ours` (or `pytorch`).

Both train 784-256-128-10 from the same start, by the fastest recipe found for either: Adam with a
one-cycle schedule, three epochs of batches of 250. Imports, loading and compilation count.
Prints the accuracy.
"""

import sys

import numpy as np

SIZES = 784, 256, 128, 10
EPOCHS, BATCH_SIZE = 3, 250
PEAK, WARMUP, B2 = 0.005, 0.2, 0.98  # the highest learning rate, the share of the steps before it, Adam's second decay


def draw_params(seed=0):
    """Draw weights at He's scale with NumPy, which compiles nothing; biases are zero."""
    rng = np.random.default_rng(seed)
    return [
        (rng.normal(0, np.sqrt(2 / d), (d, k)).astype(np.float32), np.zeros(k, np.float32))
        for d, k in zip(SIZES, SIZES[1:])
    ]


def ours(train, test):
    import jax
    import jax.numpy as jnp
    import optax

    from benchmarks.mnist import loss_fn, predict
    from helpers.training import fit, init_state

    train, test = jax.device_put((train, test))
    steps = EPOCHS * (len(train[1]) // BATCH_SIZE)
    optimizer = optax.adam(optax.cosine_onecycle_schedule(steps, PEAK, WARMUP), b2=B2)
    state = jax.jit(init_state, static_argnames="optimizer")(draw_params(), optimizer)
    options = dict(loss_fn=loss_fn, optimizer=optimizer, epochs=EPOCHS, batch_size=BATCH_SIZE)
    state, _ = fit(jax.random.key(0), state, train, **options)

    @jax.jit
    def accuracy(params, x, y):
        return jnp.mean(jnp.argmax(predict(params, x), axis=1) == y)

    return accuracy(state.params, *test)


def pytorch(train, test):
    import torch

    torch.manual_seed(0)
    (x, y), (x_test, y_test) = ((torch.from_numpy(x), torch.from_numpy(y).long()) for x, y in (train, test))
    linear = [torch.nn.Linear(d, k) for d, k in zip(SIZES, SIZES[1:])]
    with torch.no_grad():
        for layer, (w, _) in zip(linear, draw_params()):
            layer.weight.copy_(torch.from_numpy(w.T))
            layer.bias.zero_()
    model = torch.nn.Sequential(linear[0], torch.nn.ReLU(), linear[1], torch.nn.ReLU(), linear[2])

    steps = EPOCHS * (len(y) // BATCH_SIZE)
    optimizer = torch.optim.Adam(model.parameters(), lr=PEAK, betas=(0.9, B2), fused=True)
    options = dict(total_steps=steps, pct_start=WARMUP, cycle_momentum=False)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, **options)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(y)).split(BATCH_SIZE):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        return (model(x_test).argmax(1) == y_test).float().mean()


if __name__ == "__main__":
    from helpers.data import load_mnist

    print(float({"ours": ours, "pytorch": pytorch}[sys.argv[1]](*load_mnist())))
