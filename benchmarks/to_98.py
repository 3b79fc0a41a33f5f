"""From a cold process to 98% on the 10,000 test images: `python -m benchmarks.to_98 ours` (or `pytorch`).

Both train 784-256-128-10 with Adam and a one-cycle schedule for up to EPOCHS epochs, test after
each, stop at 98%, and print the accuracy. Imports, loading and compilation count.
"""

import sys

import numpy as np

EPOCHS, BATCH_SIZE, PEAK = 4, 250, 0.004


def ours(train, test):
    import jax
    import jax.numpy as jnp
    import optax

    from benchmarks.mnist import SIZES, loss_fn, predict
    from helpers.training import fit, init_state

    keys = jax.random.split(jax.random.key(0), len(SIZES))
    params = [
        (jax.random.normal(key, (d, k)) * np.sqrt(2 / d), jnp.zeros(k)) for key, d, k in zip(keys, SIZES, SIZES[1:])
    ]
    train, test = jax.device_put((train, test))
    steps = EPOCHS * (len(train[1]) // BATCH_SIZE)
    optimizer = optax.adam(optax.cosine_onecycle_schedule(steps, PEAK))
    state = init_state(params, optimizer)

    def metrics(params):
        return {"accuracy": jnp.mean(jnp.argmax(predict(params, test[0]), axis=1) == test[1])}

    options = dict(loss_fn=loss_fn, optimizer=optimizer, epochs=1, batch_size=BATCH_SIZE, metrics=metrics)
    for epoch in range(EPOCHS):
        state, history = fit(jax.random.fold_in(keys[-1], epoch), state, train, **options)
        yield float(history["accuracy"][-1])


def pytorch(train, test):
    import torch

    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10)
    )
    (x, y), (x_test, y_test) = ((torch.from_numpy(x), torch.from_numpy(y).long()) for x, y in (train, test))
    steps = EPOCHS * (len(y) // BATCH_SIZE)
    optimizer = torch.optim.Adam(model.parameters(), lr=PEAK, foreach=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, total_steps=steps, cycle_momentum=False)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(y)).split(BATCH_SIZE):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            yield (model(x_test).argmax(1) == y_test).float().mean().item()


if __name__ == "__main__":
    from helpers.data import load_mnist

    for accuracy in {"ours": ours, "pytorch": pytorch}[sys.argv[1]](*load_mnist()):
        if accuracy >= 0.98:
            break
    print(accuracy)
