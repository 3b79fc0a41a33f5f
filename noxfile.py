"""The tests under each condition that they must hold in: `make test-everywhere`.

A condition is a CPU, a setting, an interpreter, a list of packages or a folder that a reader may
have. What this machine cannot try is skipped, and the summary says why.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
BUILD = ROOT / "build" / "everywhere"
SUITE = (sys.executable, "-m", "pytest")
# Without the options in pyproject.toml, the kernel may be another than that of this environment.
STRICT = (*SUITE, "-o", "addopts=", "--nbval", "--nbval-cell-timeout=300", "-n2", "--dist=loadfile")
# A network of its own, with nothing in it but the loopback device, over which kernels talk.
OFFLINE = ("unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
PACKAGES = " ".join(re.findall(r"^      - (.*)", (ROOT / "environment.yml").read_text("utf-8"), re.M)).split()
LOWEST = [re.sub(r">=([\d.]+),.*", r"==\1", package) for package in PACKAGES]

nox.options.envdir = BUILD / "environments"
nox.options.default_venv_backend = "none"


def condition(name, *, prefix=(), needs=None, **env):
    """Add the tests in the environment at hand, after a prefix and with settings; skip them where `needs` fails."""

    @nox.session(name=name)
    def tests(session):
        trial = needs or (*prefix, "true")
        if not shutil.which(trial[0]) or subprocess.run(trial, capture_output=True).returncode:
            session.skip(f"this fails: {' '.join(trial)}")
        session.run(*prefix, *SUITE, env=env)


for level, flag in (("SSE4_2", "sse4_2"), ("AVX", "avx"), ("AVX2", "avx2"), ("AVX512", "avx512f")):
    condition(level, needs=("grep", "-qw", flag, "/proc/cpuinfo"), XLA_FLAGS=f"--xla_cpu_max_isa={level}")
condition("one-core", prefix=("taskset", "-c", "0"))
condition("one-blas-thread", OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
condition("eight-devices", XLA_FLAGS="--xla_force_host_platform_device_count=8")
condition("key-reuse", JAX_DEBUG_KEY_REUSE="true")
condition("nans", JAX_DEBUG_NANS="true")
GERMAN = "de_DE.UTF-8"
SET_GERMAN = (sys.executable, "-c", f"import locale; locale.setlocale(locale.LC_ALL, '{GERMAN}')")
condition("german", needs=SET_GERMAN, LC_ALL=GERMAN, LANG=GERMAN, LANGUAGE="de")
# Without the last two Python would take UTF-8 in place of this locale's ASCII.
condition("ascii", LC_ALL="C", LANG="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
condition("offline", prefix=OFFLINE)


def rounded(name, bits):
    """Add the notebooks where matrix products round their inputs, as on a GPU or a TPU."""

    @nox.session(name=name)
    def notebooks(session):
        env = kernel(name, sys.executable, "-P", ROOT / "tools" / "rounded_products.py", bits)
        session.run(*STRICT, f"--nbval-kernel-name={name}", "notebooks", env=env)


rounded("tf32", 10)
rounded("bf16", 7)


def built(name, python, packages):
    """Add the tests in an environment of another interpreter or of other packages."""

    @nox.session(name=name, python=python, venv_backend="uv|virtualenv")
    def tests(session):
        session.install(*packages)
        session.run("pytest")


built("python3.12", "3.12", PACKAGES)
built("python3.13", "3.13", PACKAGES)
built("lowest", "3.11", LOWEST)


@nox.session
def folder(session):
    """A clone whose path has a space and a letter beyond ASCII."""
    with session.chdir(copy_tree(BUILD / "ein Büro")):
        session.run("make", "test", f"PYTHON={sys.executable}", env={"MAKEFLAGS": ""})  # without the outer make's


@nox.session(python="3.13", venv_backend="virtualenv")
def colab(session):
    """Each notebook as in Colab: its packages, a folder with nothing else, and the setup cell that mends it.

    Every output but the setup cell's is compared, and nothing but jaxopt may be installed in the end.
    """
    home = BUILD / "colab"
    tree = copy_tree(home / "repository")
    with session.chdir(tree):
        session.run(sys.executable, "-m", "tools.colab", tree.as_uri(), external=True)
        identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        for words in (("init",), ("add", "."), (*identity, "commit", "--quiet", "--message=all")):
            session.run("git", *words, external=True, silent=True)
    shutil.rmtree(home / "content", ignore_errors=True)
    for path in tree.glob("notebooks/*.ipynb"):
        notebook = json.loads(path.read_text("utf-8"))
        setup = next(cell for cell in notebook["cells"] if "colab" in cell["metadata"].get("tags", []))
        setup["metadata"]["tags"].append("nbval-ignore-output")  # what pip says
        copy = home / "content" / path.stem / path.name
        copy.parent.mkdir(parents=True)
        copy.write_text(json.dumps(notebook), "utf-8")

    session.install("-r", "tools/colab.txt")
    before = session.run("pip", "freeze", silent=True).splitlines()
    # In Colab, `!pip` is that of the kernel.
    path = os.pathsep.join([session.bin, os.environ["PATH"]])
    env = kernel("colab", Path(session.bin, "python"), "-m", "ipykernel_launcher", PATH=path)
    session.run(*STRICT, "--nbval-kernel-name=colab", home / "content", env=env, external=True)
    changed = set(before) ^ set(session.run("pip", "freeze", silent=True).splitlines())
    if not all(line.startswith("jaxopt==") for line in changed):
        session.error(f"the setup cell changed {changed}")


def copy_tree(folder):
    """Copy what is in the working tree, committed or not, into a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    ignore = shutil.ignore_patterns(".git", ".venv", "build", "*.egg-info", "__pycache__", ".*_cache")
    return shutil.copytree(ROOT, folder, ignore=ignore)


def kernel(name, *command, **env):
    """Give Jupyter a kernel under a name; return the setting with which it is found."""
    argv = [*map(str, command), "-f", "{connection_file}", "--log-level=ERROR"]
    file = BUILD / "jupyter" / "kernels" / name / "kernel.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"argv": argv, "display_name": name, "language": "python", "env": env}), "utf-8")
    return {"JUPYTER_PATH": str(BUILD / "jupyter")}
