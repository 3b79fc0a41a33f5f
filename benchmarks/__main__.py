"""Run every comparison, print one table, and write it to build/ as CSV and as a picture."""

import os
import statistics
import subprocess
import sys
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import jax
import matplotlib
import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks import mnist, small
from benchmarks.timing import compare
from helpers.plotting import WIDE
from helpers.training import fit, init_state, sgd

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402  the backend comes first

BUILD = Path(__file__).resolve().parent.parent / "build"
FLOOR = "floor: its matrix products"  # trains nothing, so it has no loss to compare
COLUMNS = ["problem", "rival", "first call (s)", "later calls (s)", "rival / ours, first", "rival / ours, later"]


def main():
    BUILD.mkdir(exist_ok=True)
    rows = []
    for name, make in tqdm({"line": small.line, "circles": small.circles, "XOR": small.xor}.items(), "small problems"):
        rows += table(name, compare(make()))
    problem = mnist.load_problem()
    rivals, absent = mnist.rivals(problem)
    rows += table("MNIST epoch", compare(rivals | {FLOOR: mnist.floor(problem)}))
    rows += to_98()
    frame = pd.DataFrame(rows, columns=COLUMNS)
    write(frame.to_csv(index=False), "benchmark.csv")
    print(frame.to_string(index=False, float_format="{:.4g}".format, na_rep=""))
    for name in absent:
        print(f"left out, because it is not installed: {name} (make bench PEERS=1 installs it)")
    if sys.platform == "linux":
        print(f"peak memory of an MNIST epoch, above the libraries: {peak_memory():.1f} times the data")

    networks, batches = networks_at_once(), batch_sizes(problem)
    for growth in networks, batches:
        write(growth.to_csv(), f"benchmark_{growth.index.name.replace(' ', '_')}.csv")
        print(growth.to_string(float_format="{:.4g}".format))
    draw(networks, batches, BUILD / "benchmark.png")


def table(problem, timings):
    """Return a row for each rival; refuse rivals that did not reach the same loss."""
    ours = timings["ours"]
    for name, timing in timings.items():
        if name != FLOOR and not np.isclose(timing.value, ours.value, rtol=0.01, atol=1e-4):
            raise AssertionError(f"{problem}: {name} reached the loss {timing.value}, ours {ours.value}")
    return [
        (problem, name, timing.first, timing.later, timing.first / ours.first, timing.later / ours.later)
        for name, timing in timings.items()
    ]


def to_98(repeats=5):
    """Time whole processes, in turn, from their start to 98% on the test images."""
    names = ["ours"] + ["pytorch"] * bool(find_spec("torch"))
    seconds = {name: [] for name in names}
    for _ in tqdm(range(repeats), "MNIST to 98%"):
        for name in names:
            start = time.perf_counter()
            command = [sys.executable, "-m", "benchmarks.to_98", name]
            accuracy = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            seconds[name].append(time.perf_counter() - start)
            if accuracy < 0.98:
                raise AssertionError(f"{name} ended at {accuracy}")
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return [
        ("MNIST to 98%, cold", name, value, np.nan, value / medians["ours"], np.nan) for name, value in medians.items()
    ]


def peak_memory():
    """Train one epoch in a process of its own; return how far its memory rose over the data's 188 MB. Linux only."""
    code = """
import pathlib, re
from benchmarks import mnist
status = pathlib.Path("/proc/self/status")
peak = lambda: 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1])
before = peak()
problem = mnist.load_problem()
mnist.ours(problem)().block_until_ready()
print((peak() - before) / problem.x.nbytes)
"""
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def networks_at_once():
    """Time 1 to 10,000 XOR networks trained in one call."""
    train = jax.jit(jax.vmap(small.train_xor))
    seconds = {}
    for n in tqdm([1, 10, 100, 1_000, 10_000], "networks at once"):
        starts = jax.vmap(small.init_xor)(jax.random.split(jax.random.key(0), n))
        seconds[n] = compare({"": lambda starts=starts: train(starts)[1].mean()})[""].later
    return pd.Series(seconds, name="seconds").rename_axis("networks at once")


def batch_sizes(problem):
    """Time an epoch of MNIST in batches of 32 to 2,048 rows."""
    data = jax.device_put((problem.x, problem.y))
    optimizer = sgd(0.1)
    state = init_state(problem.params, optimizer)
    seconds = {}
    for n in tqdm([32, 128, 512, 2048], "batch sizes"):
        options = dict(loss_fn=mnist.loss_fn, optimizer=optimizer, epochs=1, batch_size=n)
        run = partial(fit, problem.key, state, data, **options)
        seconds[n] = compare({"": lambda run=run: run()[1]["loss"].mean()})[""].later
    return pd.Series(seconds, name="seconds").rename_axis("batch size")


def draw(networks, batches, path):
    """Draw both, each with the line of cost in proportion from its first point."""
    plt.style.use("helpers.figures")
    fig, axes = plt.subplots(1, 2, figsize=WIDE)
    for ax, seconds, perfect, label in (
        (axes[0], networks, networks.iloc[0] * networks.index / networks.index[0], "one after the other"),
        (axes[1], batches, batches.iloc[0] * batches.index[0] / batches.index, "in proportion to the steps"),
    ):
        ax.loglog(seconds.index, seconds, "o-", label="measured")
        ax.loglog(seconds.index, perfect, "--", label=label)
        ax.set(xlabel=seconds.index.name, ylabel="seconds")
        ax.legend()
    axes[0].set_title("500 epochs of XOR")
    axes[1].set_title("one epoch of MNIST")
    temporary = path.with_suffix(".tmp.png")
    fig.savefig(temporary)
    os.replace(temporary, path)


def write(text, name):
    temporary = BUILD / f"{name}.tmp"
    temporary.write_text(text)
    os.replace(temporary, BUILD / name)


if __name__ == "__main__":
    main()
