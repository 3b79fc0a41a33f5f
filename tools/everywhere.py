"""Run the tests once under each condition that they must hold in, and print a table.

A condition is a CPU, an interpreter, a set of packages, a folder or a setting that a reader may
have. What this machine cannot try is a row that says why. The output of each is in
`build/everywhere/`, and the exit status is 1 where one is not green.
"""

import argparse
import json
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

from tools import ROOT

BUILD = ROOT / "build" / "everywhere"
SUITE = (sys.executable, "-m", "pytest")
# Without the options in pyproject.toml, the kernel may be another than that of this environment.
STRICT = (*SUITE, "-o", "addopts=", "--nbval", "--nbval-cell-timeout=300")
# A network of its own, with nothing in it but the loopback device, over which kernels talk.
OFFLINE = ("unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
GERMAN, PLAIN = "de_DE.UTF-8", "C"
HERE = "{}.{}".format(*sys.version_info)


def main():
    conditions = all_conditions()
    parser = argparse.ArgumentParser(description="Run the tests under each condition; logs go to build/everywhere/.")
    parser.add_argument("--only", action="append", choices=conditions, metavar="NAME", help=", ".join(conditions))
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
    levels = ("SSE4_2", "AVX", "AVX2", "AVX512")
    one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    listed = re.search(r"- python(\S+)", read("environment.yml"))[1]
    versions = [version for version in map("3.{}".format, range(100)) if version in SpecifierSet(listed)]
    in_colab = re.search(r"Python (3\.\d+)", read("tools/colab.txt"))[1]
    return {
        **{level: suite(lacks_cpu(level), XLA_FLAGS=f"--xla_cpu_max_isa={level}") for level in levels},
        "one-core": suite(fails("taskset", "-c", "0", "true"), prefix=("taskset", "-c", "0")),
        "one-blas-thread": suite(**one_thread),
        "eight-devices": suite(XLA_FLAGS="--xla_force_host_platform_device_count=8"),
        "key-reuse": suite(JAX_DEBUG_KEY_REUSE="true"),
        "nans": suite(JAX_DEBUG_NANS="true"),
        "tf32": partial(rounded, 10),
        "bf16": partial(rounded, 7),
        "german": suite(lacks_locale(GERMAN), LC_ALL=GERMAN, LANG=GERMAN, LANGUAGE="de"),
        # Without the last two Python would take UTF-8 in place of this locale's ASCII.
        "ascii": suite(LC_ALL=PLAIN, LANG=PLAIN, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"),
        "offline": suite(fails(*OFFLINE, "true"), prefix=OFFLINE),
        "folder": partial(fresh, HERE, "ein Büro"),
        **{f"python{version}": partial(fresh, version, version) for version in versions if version != HERE},
        "lowest": partial(fresh, versions[0], "lowest", lowest=True),
        "colab": partial(colab, in_colab),
    }


def suite(lacks=None, *, prefix=(), **environment):
    """Return a condition: pytest in this tree and environment, or why it cannot be tried."""
    if lacks:
        return lambda log: left_out(lacks)
    return lambda log: run(log, (*prefix, *SUITE), **environment)


def rounded(bits, log):
    """Compare the notebooks where matrix products round their inputs, as on a GPU or a TPU."""
    kernels = add_kernel(log.stem, sys.executable, "-P", ROOT / "tools" / "rounded_products.py", bits)
    options = (f"--nbval-kernel-name={log.stem}", "-n2", "--dist=loadfile", "notebooks")
    return run(log, (*STRICT, *options), JUPYTER_PATH=kernels)


def fresh(version, folder, log, lowest=False):
    """Build the environment in a copy of the tree with another interpreter, and run `make test` there.

    lowest: install the lower end of each range in environment.yml.
    """
    if not (python := find(version)):
        return left_out(f"no Python {version} found")
    tree = copy_tree(BUILD / folder)
    if lowest:
        (tree / "environment.yml").write_text(lower_ends(read("environment.yml")), encoding="utf-8")
    # Make would hand its own options down; the outer ones say nothing about the inner run.
    outcome = run(log, ("make", "test", f"PYTHON={python}"), folder=tree, MAKEFLAGS="")
    if outcome[-1] == "green":
        shutil.rmtree(tree)
    return outcome


def lower_ends(text):
    return re.sub(r"- ([\w-]+)>=([\d.]+),<.*", r"- \1==\2", text)


def colab(version, log):
    """Run each notebook as Colab would: its packages, a folder with nothing else, and the setup cell that mends it.

    Every output but the setup cell's is compared, and nothing but jaxopt may be installed in the end.
    """
    if not (python := find(version)):
        return left_out(f"no Python {version} found")
    home = BUILD / "colab"
    shutil.rmtree(home, ignore_errors=True)
    tree, commands = copy_tree(home / "repository"), home / "environment" / "bin"
    subprocess.run([sys.executable, "-m", "tools.colab", tree.as_uri()], cwd=tree, check=True, capture_output=True)
    for path in tree.glob("notebooks/*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        setup = next(cell for cell in notebook["cells"] if "colab" in cell["metadata"].get("tags", []))
        setup["metadata"]["tags"].append("nbval-ignore-output")  # what pip says
        copy = home / "content" / path.stem / path.name
        copy.parent.mkdir(parents=True)
        copy.write_text(json.dumps(notebook), encoding="utf-8")
    # In Colab, `!pip` is that of the kernel.
    path = os.pathsep.join([str(commands), os.environ["PATH"]])
    kernels = add_kernel("colab", commands / "python", "-m", "ipykernel_launcher", PATH=path)
    git = ("git", "-C", tree, "-c", "user.name=test", "-c", "user.email=test@localhost")
    return run(
        log,
        (*git, "init", "--quiet"),
        (*git, "add", "."),
        (*git, "commit", "--quiet", "--message=all"),
        (python, "-m", "venv", "environment"),
        (commands / "pip", "install", "--quiet", "-r", ROOT / "tools" / "colab.txt"),
        ("sh", "-c", '"$0" freeze > before', commands / "pip"),
        (*STRICT, "--nbval-kernel-name=colab", "content"),
        ("sh", "-c", '"$0" freeze | grep -v "^jaxopt==" | diff before -', commands / "pip"),
        folder=home,
        JUPYTER_PATH=kernels,
        GIT_CONFIG_GLOBAL=os.devnull,
    )


def copy_tree(folder):
    """Copy what is in the working tree, committed or not, into a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    ignore = shutil.ignore_patterns(".git", ".venv", "build", "*.egg-info", "__pycache__", ".*_cache")
    return Path(shutil.copytree(ROOT, folder, ignore=ignore))


def add_kernel(name, *command, **environment):
    """Give Jupyter a kernel under a name; return the folder that JUPYTER_PATH must name."""
    argv = [*map(str, command), "-f", "{connection_file}", "--log-level=ERROR"]
    file = BUILD / "jupyter" / "kernels" / name / "kernel.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    kernel = {"argv": argv, "display_name": name, "language": "python", "env": environment}
    file.write_text(json.dumps(kernel), encoding="utf-8")
    return str(BUILD / "jupyter")


def run(log, *commands, folder=ROOT, **environment):
    """Run commands until one fails, with their output in a log; return seconds, passed, failed and a result."""
    start = time.perf_counter()
    with log.open("w", encoding="utf-8") as output:
        options = dict(cwd=folder, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=output)
        done = all(subprocess.run(command, stderr=subprocess.STDOUT, **options).returncode == 0 for command in commands)
    seconds = round(time.perf_counter() - start)
    # pytest's last line, as in "2 failed, 240 passed in 93.10s"
    text = log.read_text(encoding="utf-8", errors="replace")
    summary = (re.findall(r"^=+ (.*) in [\d.]+s.*=+$", text, re.M) or [""])[-1]
    passed, failed = (sum(map(int, re.findall(rf"(\d+) (?:{word})", summary))) for word in ("passed", "failed|error"))
    return seconds, passed, failed, "green" if done and passed else f"FAILED: see {log.relative_to(ROOT)}"


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


def find(version):
    """Return the path of an interpreter that can build an environment, or None."""
    pyenv = Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")
    here = [sys.executable] if version == HERE else []
    found = [os.path.realpath(path) for path in (*here, shutil.which(f"python{version}"), *pyenv) if path]
    return next((path for path in found if not fails(path, "-c", "import venv, ensurepip")), None)


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
