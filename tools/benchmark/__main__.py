"""Run every comparison, print one table, and write it to build/benchmark.csv."""

import statistics
import subprocess
import sys
import time
from functools import partial
from importlib.util import find_spec

import nbformat
import numpy as np
import pandas as pd
from jupyter_client.manager import run_kernel
from tqdm import tqdm

from tools import NOTEBOOKS, ROOT, write
from tools.benchmark import problems

LOOPS = [
    ("XOR, 500 epochs", "a loop without jit", problems.xor),
    ("a line, 5,000 steps", "a loop with a compiled loss", problems.line),
    ("circles, 250 steps, four metrics each", "a loop with a compiled step", problems.circles),
]
EPOCH = [  # rival, run, the package that it needs
    ("ours", problems.ours, "jax"),
    ("PyTorch", problems.pytorch, "torch"),
    ("a compiled step in a Python loop", problems.compiled_step, "jax"),
    ("scikit-learn", problems.scikit_learn, "sklearn"),
    ("NumPy", problems.numpy, "numpy"),
    ("its matrix products alone, NumPy", problems.products, "numpy"),
]
COLUMNS = ["problem", "rival", "first call (s)", "later calls (s)", "rival / ours, first", "rival / ours, later"]


def main():
    here = [(rival, make) for rival, make, package in EPOCH if find_spec(package)]
    rows = []
    for problem, rival, make in tqdm(LOOPS, "small problems"):
        rows += compare(problem, dict(zip(("ours", rival), make())))
    rows += compare("MNIST, one epoch", {rival: make() for rival, make in tqdm(here, "MNIST, one epoch")})
    rows += to_98([rival for rival, _ in here[:2] if rival in ("ours", "PyTorch")])
    rows += [row for path in tqdm(NOTEBOOKS, "notebooks") for row in read(path)]

    table = pd.DataFrame(rows, columns=COLUMNS)
    (ROOT / "build").mkdir(exist_ok=True)
    write(ROOT / "build" / "benchmark.csv", table.to_csv(index=False))
    print(table.to_string(index=False, float_format="{:.3g}".format, na_rep=""))
    for rival, _, package in EPOCH:
        if not find_spec(package):
            print(f"left out, because it is not installed: {rival} (make bench PEERS=1 installs it)")


def in_turn(runs, repeats):
    """Return the seconds of each call of each run, in turn; refuse one that ends elsewhere than the first, ours."""
    seconds = {rival: [] for rival in runs}
    for _ in tqdm(range(repeats), "in turn", leave=False):
        ends = []
        for rival, run in runs.items():
            start = time.perf_counter()
            ends.append(float(run()))
            seconds[rival].append(time.perf_counter() - start)
            if not (np.isnan(ends[-1]) or np.isclose(ends[-1], ends[0], rtol=0.01, atol=1e-4)):
                raise AssertionError(f"{rival} ended at {ends[-1]}, ours at {ends[0]}")
    return seconds


def compare(problem, runs):
    """Return rows for runs in this process, the first call apart: it compiles."""
    seconds = in_turn(runs, 6)
    return ratios(problem, {rival: (first, statistics.median(later)) for rival, (first, *later) in seconds.items()})


def to_98(rivals):
    """Return rows for whole processes, from their start to 98% on the test images."""

    def accuracy(rival):
        command = [sys.executable, "-m", "tools.benchmark.to_98", rival]
        return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout

    seconds = in_turn({rival: partial(accuracy, rival) for rival in rivals}, 5)
    return ratios("MNIST to 98%, cold", {rival: (statistics.median(each), np.nan) for rival, each in seconds.items()})


def ratios(problem, seconds):
    """Return a row of the table for each rival, from its seconds of the first call and of later ones."""
    ours = np.array(seconds["ours"])
    return [(problem, rival, *each, *(each / ours)) for rival, each in seconds.items()]


def read(path):
    """Return rows with the seconds from a notebook's first cell to its first picture, and to its end."""
    shown = []

    def look(message):
        if "image/png" in message["content"].get("data", {}):
            shown.append(time.perf_counter())

    with run_kernel(cwd=path.parent, extra_arguments=["--log-level=ERROR"]) as client:
        start = time.perf_counter()
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                content = client.execute_interactive(cell.source, timeout=600, output_hook=look)["content"]
                if content["status"] != "ok":
                    raise RuntimeError(f"{path.name}: {content['ename']}: {content['evalue']}")
        waits = {"first picture": shown[0] - start, "run all": time.perf_counter() - start}
    return [(path.stem, wait, seconds, np.nan, np.nan, np.nan) for wait, seconds in waits.items()]


if __name__ == "__main__":
    main()
