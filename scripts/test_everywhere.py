"""Run the whole test suite once under each condition that it must hold in, and print a table.

A condition is a CPU, an interpreter, a folder or a setting that a reader may have. What this
machine cannot try is a row that says why. The output of each is in `build/everywhere/`, and
the exit status is 1 where one is not green.
"""

import argparse
import locale
import os
import re
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pandas as pd
from packaging.specifiers import SpecifierSet
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "everywhere"
PYTEST = (sys.executable, "-m", "pytest", "helpers/tests", "notebooks")  # the folders below run tests/ as well
# A network of its own, with nothing in it but the loopback device, over which kernels talk.
OFFLINE = ("unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
GERMAN, PLAIN = "de_DE.UTF-8", "C"


def main():
    conditions = all_conditions()
    parser = argparse.ArgumentParser(description="Run the tests under each condition; logs go to build/everywhere/.")
    parser.add_argument("--only", nargs="+", choices=conditions, metavar="NAME", help=", ".join(conditions))
    names = parser.parse_args().only or list(conditions)

    BUILD.mkdir(parents=True, exist_ok=True)
    rows = []
    with tqdm(names, unit="condition") as bar:
        for name in bar:
            bar.set_description(name)
            rows.append((name, *conditions[name](BUILD / f"{name}.log")))
    print(pd.DataFrame(rows, columns=["condition", "seconds", "passed", "failed", "result"]).to_string(index=False))
    return 0 if all(result.startswith(("green", "left out")) for *_, result in rows) else 1


def all_conditions():
    """Return, by name, functions that take the path of a log and return seconds, passed, failed and a result."""
    one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    conditions = {
        level: suite(lacks_cpu(level), XLA_FLAGS=f"--xla_cpu_max_isa={level}")
        for level in ("SSE4_2", "AVX", "AVX2", "AVX512")
    }
    conditions |= {
        "one-core": suite(fails("taskset", "-c", "0", "true"), prefix=("taskset", "-c", "0")),
        "one-blas-thread": suite(**one_thread),
        "eight-devices": suite(XLA_FLAGS="--xla_force_host_platform_device_count=8"),
        "key-reuse": suite(JAX_DEBUG_KEY_REUSE="true"),
        "nans": suite(JAX_DEBUG_NANS="true"),
        "german": suite(lacks_locale(GERMAN), LC_ALL=GERMAN, LANG=GERMAN, LANGUAGE="de"),
        # Without the last two Python would take UTF-8 in place of this locale's ASCII.
        "ascii": suite(LC_ALL=PLAIN, LANG=PLAIN, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"),
        "offline": suite(fails(*OFFLINE, "true"), prefix=OFFLINE),
        "folder": partial(fresh, os.path.realpath(sys.executable), "ein Büro"),
    }
    conditions |= {f"python{version}": partial(fresh, python, version) for version, python in interpreters()}
    return conditions


def suite(lacks=None, *, prefix=(), **environment):
    """Return a condition: pytest in this tree and environment, or why it cannot be tried."""
    if lacks:
        return lambda log: left_out(lacks)
    return lambda log: run((*prefix, *PYTEST), ROOT, log, environment)


def fresh(python, folder, log):
    """Build the environment in a copy of the tree with another interpreter, and run `make test` there."""
    if not python:
        return left_out("no such interpreter found")
    copy = BUILD / folder
    shutil.rmtree(copy, ignore_errors=True)
    ignore = shutil.ignore_patterns(".git", ".venv", "build", "*.egg-info", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, copy, ignore=ignore)
    # Make would hand its own options down; the outer ones say nothing about the inner run.
    outcome = run(("make", "test", f"PYTHON={python}"), copy, log, {"MAKEFLAGS": ""})
    if outcome[-1] == "green":
        shutil.rmtree(copy)
    return outcome


def run(command, folder, log, environment):
    start = time.perf_counter()
    with log.open("w", encoding="utf-8") as output:
        options = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT}
        status = subprocess.run(command, cwd=folder, env=os.environ | environment, **options).returncode
    seconds = round(time.perf_counter() - start)
    # pytest's last line, as in "2 failed, 240 passed in 93.10s"
    text = log.read_text(encoding="utf-8", errors="replace")
    summary = (re.findall(r"^=+ (.*) in [\d.]+s.*=+$", text, re.M) or [""])[-1]
    passed, failed = (sum(map(int, re.findall(rf"(\d+) (?:{word})", summary))) for word in ("passed", "failed|error"))
    green = status == 0 and passed
    return seconds, passed, failed, "green" if green else f"FAILED: see {log.relative_to(ROOT)}"


def left_out(why):
    return "", "", "", f"left out: {why}"


def lacks_cpu(level):
    """Return None where the CPU has a level of instructions, or else that it has not; only Linux tells."""
    try:
        flags = re.search(r"^flags\s*:(.*)", Path("/proc/cpuinfo").read_text(), re.M)[1].split()
    except (OSError, TypeError):
        return "/proc/cpuinfo does not say what this CPU has"
    # AVX512 is many flags; f is the foundation that each such CPU has.
    return None if {level.lower(), f"{level.lower()}f"} & set(flags) else f"no {level} in /proc/cpuinfo"


def fails(*command):
    """Return None where a command works, or else what is missing."""
    if not shutil.which(command[0]):
        return f"no {command[0]}"
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return f"{command[0]} fails: {done.stderr.strip()}" if done.returncode else None


def lacks_locale(name):
    """Return None where the machine has a locale, or else what is missing."""
    try:
        before = locale.setlocale(locale.LC_ALL)
        locale.setlocale(locale.LC_ALL, name)
        locale.setlocale(locale.LC_ALL, before)
    except locale.Error:
        return f"no locale {name}"


def interpreters():
    """Yield each version of Python that environment.yml allows, but for this one, and its path or None."""
    allowed = SpecifierSet(re.search(r"- python(\S+)", (ROOT / "environment.yml").read_text(encoding="utf-8"))[1])
    for version in (f"3.{minor}" for minor in range(100)):
        if version in allowed and version != "{}.{}".format(*sys.version_info):
            pyenv = Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")
            found = [str(path) for path in (shutil.which(f"python{version}"), *pyenv) if path]
            yield version, next((path for path in found if not fails(path, "-c", "import venv, ensurepip")), None)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
