"""Run every comparison, print one table, and write it to build/ as CSV and as a picture."""

import os
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import jax
import matplotlib
import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks import mnist, small
from benchmarks.timing import compare

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402  the backend comes first

BUILD = Path(__file__).resolve().parent.parent / "build"
COLUMNS = ["problem", "rival", "first call (s)", "later calls (s)", "rival / ours, first", "rival / ours, later"]


def main():
    BUILD.mkdir(exist_ok=True)
    rows = []
    for name, make in tqdm({"line": small.line, "circles": small.circles, "XOR": small.xor}.items(), "small problems"):
        rows += table(name, compare(make()))
    rivals, absent = mnist.rivals(mnist.load_problem())
    rows += table("MNIST epoch", compare(rivals))
    rows += to_98()
    frame = pd.DataFrame(rows, columns=COLUMNS)
    write(frame.to_csv(index=False), "benchmark.csv")
    print(frame.to_string(index=False, float_format="{:.4g}".format, na_rep=""))
    for name in absent:
        print(f"left out, because it is not installed: {name} (make bench PEERS=1 installs it)")

    growth = how_cost_grows()
    write(growth.to_csv(index=False), "benchmark_growth.csv")
    print(growth.to_string(index=False, float_format="{:.4g}".format))
    draw(growth, BUILD / "benchmark.png")


def table(problem, timings):
    """Return a row for each rival; refuse rivals that did not reach the same loss."""
    ours = timings["ours"]
    for name, timing in timings.items():
        if not np.isclose(timing.value, ours.value, rtol=0.01, atol=1e-4) and not np.isnan(timing.value):
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


def how_cost_grows():
    """Time 1 to 10,000 XOR networks trained at once."""
    train = jax.jit(jax.vmap(small.train_xor))
    rows = []
    for n in tqdm([1, 10, 100, 1_000, 10_000], "networks at once"):
        starts = jax.vmap(small.init_xor)(jax.random.split(jax.random.key(0), n))
        timing = compare({"ours": lambda starts=starts: train(starts)[1].mean()})["ours"]
        rows.append((n, timing.first, timing.later))
    return pd.DataFrame(rows, columns=["networks", "first call (s)", "later calls (s)"])


def draw(growth, path):
    plt.style.use("helpers.figures")
    fig, ax = plt.subplots()
    n, seconds = growth["networks"], growth["later calls (s)"]
    ax.loglog(n, seconds, "o-", label="measured")
    ax.loglog(n, seconds[0] * n, "--", label="one after the other")
    ax.set(xlabel="XOR networks trained at once", ylabel="seconds")
    ax.legend()
    temporary = path.with_suffix(".tmp.png")
    fig.savefig(temporary)
    os.replace(temporary, path)


def write(text, name):
    temporary = BUILD / f"{name}.tmp"
    temporary.write_text(text)
    os.replace(temporary, BUILD / name)


if __name__ == "__main__":
    main()
