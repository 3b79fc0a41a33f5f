"""From a cold process to 98% on the 10,000 test images: `python -m tools.benchmark.to_98 ours` (or `PyTorch`).

Both train from the same start by the fastest recipe found for either: Adam with a one-cycle
schedule, three epochs of batches of 250. Imports, loading and compilation count. Prints the accuracy.
"""

import sys

from helpers.datasets import load_mnist
from tools.benchmark.network import draw_params, torch_model

EPOCHS, BATCH_SIZE, STEPS = 3, 250, 720
PEAK, WARMUP, B2 = 0.005, 0.2, 0.98  # the highest learning rate, the share of the steps before it, Adam's second decay


def ours(train, test):
    """Start, train and test in one program, so that one is compiled."""
    import jax
    import optax

    from helpers.training import fit, make_trainer
    from tools.benchmark.problems import accuracy, class_loss

    init, step = make_trainer(class_loss, optax.adam(optax.cosine_onecycle_schedule(STEPS, PEAK, WARMUP), b2=B2))

    @jax.jit
    def run(params, train, test):
        options = dict(step=step, epochs=EPOCHS, batch_size=BATCH_SIZE)
        state, _ = fit(jax.random.key(0), init(params), train, **options)
        return accuracy(state.params, test)

    return run(draw_params(), train, test)


def pytorch(train, test):
    import torch

    torch.manual_seed(0)
    (x, y), (x_test, y_test) = ((torch.from_numpy(x), torch.from_numpy(y).long()) for x, y in (train, test))
    model, start = torch_model()
    start()
    optimizer = torch.optim.Adam(model.parameters(), lr=PEAK, betas=(0.9, B2), fused=True)
    options = dict(total_steps=STEPS, pct_start=WARMUP, cycle_momentum=False)
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
    accuracy = float({"ours": ours, "PyTorch": pytorch}[sys.argv[1]](*load_mnist()))
    assert accuracy >= 0.98, f"{sys.argv[1]} ended at {accuracy}"
    print(accuracy)
