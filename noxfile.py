"""The tests under each condition in which they must hold: `make test-everywhere`.

A condition is a kind of CPU, a setting, a Python, a list of packages, or a folder that a reader may have. What this
machine cannot try is skipped, and the summary says why.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent
BUILD = ROOT / "build" / "everywhere"
SUITE = (sys.executable, "-m", "pytest")

nox.options.envdir = BUILD / "environments"
nox.options.default_venv_backend = "none"


def condition(name, *tests, prefix=(), needs=None, **env):
    """Add tests, by default all, with a command before them and settings. Skip them if the command `needs` fails."""

    @nox.session(name=name)
    def run_tests(session):
        trial = needs or (*prefix, "true")
        if not shutil.which(trial[0]) or subprocess.run(trial, capture_output=True).returncode:
            session.skip(f"this fails: {' '.join(trial)}")
        session.run(*prefix, *SUITE, *tests, env=env)


for level, flag in (("SSE4_2", "sse4_2"), ("AVX", "avx"), ("AVX2", "avx2"), ("AVX512", "avx512f")):
    condition(level, needs=("grep", "-qw", flag, "/proc/cpuinfo"), XLA_FLAGS=f"--xla_cpu_max_isa={level}")
condition("one-core", prefix=("taskset", "-c", "0"))
condition("one-blas-thread", OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
condition("eight-devices", XLA_FLAGS="--xla_force_host_platform_device_count=8")
condition("key-reuse", JAX_DEBUG_KEY_REUSE="true")
condition("nans", JAX_DEBUG_NANS="true")
for name, bits in (("tf32", "10"), ("bf16", "7")):
    condition(name, "notebooks", PYTHONPATH=str(ROOT / "tools" / "rounded"), ROUNDED_BITS=bits)
condition("agg", MPLBACKEND="agg")
GERMAN = (sys.executable, "-c", "import locale; locale.setlocale(locale.LC_ALL, 'de_DE.UTF-8')")
condition("german", needs=GERMAN, LC_ALL="de_DE.UTF-8", LANG="de_DE.UTF-8", LANGUAGE="de")
# Without the last two, Python would use UTF-8 in place of this locale's ASCII.
condition("ascii", LC_ALL="C", LANG="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
# In a network of its own that has only the loopback device, over which kernels talk.
condition("offline", prefix=("unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"))
condition("play", "-o", "addopts=", "-n2", "tests/play.py")


def installed(name, python, *packages):
    """Add the tests in an environment of another Python or other packages."""

    @nox.session(name=name, python=python, venv_backend="uv")
    def run_tests(session):
        session.install(*packages)
        session.install("-e", ".", "--no-deps")
        session.run("pytest")


for minor in (12, 13, 14, 15):
    installed(f"python3.{minor}", f"3.{minor}", "-e", ".[test]")
installed("lowest", "3.11", "-e", ".[test]", "--resolution=lowest-direct")
project = nox.project.load_toml(ROOT / "pyproject.toml")["project"]
listed = map(Requirement, project["dependencies"] + project["optional-dependencies"]["test"])
installed("newest", "3.14", *(each.name for each in listed))  # with no upper ends


@nox.session
def folder(session):
    """A copy in a folder whose name has a space and a letter beyond ASCII."""
    with session.chdir(copy_tree(BUILD / "ein Büro")):
        session.run("make", "test", f"PYTHON={sys.executable}", env={"MAKEFLAGS": ""})


@nox.session(python="3.13", venv_backend="virtualenv")
def colab(session):
    """Each notebook as in Colab: its packages, a folder with nothing else, and the setup cell, which clones the rest.

    All outputs but the setup cell's are compared, and that cell may have installed nothing but jaxopt.
    """
    home = BUILD / "colab"
    shutil.rmtree(home, ignore_errors=True)
    tree = copy_tree(home / "repository")
    with session.chdir(tree):
        session.run(sys.executable, "-m", "tools.colab", tree.as_uri(), external=True)
        for words in ("init", "add .", "-c user.name=test -c user.email=test@localhost commit --message=all"):
            session.run("git", *words.split(), external=True, silent=True)
    for path in tree.glob("notebooks/*.ipynb"):
        text = path.read_text("utf-8").replace('"colab"', '"colab", "nbval-ignore-output"', 1)  # for what pip prints
        (home / "content" / path.stem).mkdir(parents=True)
        (home / "content" / path.stem / path.name).write_text(text, "utf-8")

    session.install("--group", "colab")
    before = session.run("pip", "freeze", silent=True).splitlines()
    path = os.pathsep.join([session.bin, os.environ["PATH"]])  # in Colab, `!pip` belongs to the kernel
    session.run("python", "-m", "ipykernel", "install", f"--prefix={home}", "--name=colab", "--env", "PATH", path)
    kernel = ("--nbval", "--nbval-kernel-name=colab", "--nbval-cell-timeout=300", "-n2", "--dist=loadfile")
    env = {"JUPYTER_PATH": str(home / "share" / "jupyter")}
    session.run(*SUITE, "-o", "addopts=", *kernel, home / "content", env=env, external=True)
    changed = set(before) ^ set(session.run("pip", "freeze", silent=True).splitlines())
    if not all(line.startswith("jaxopt==") for line in changed):
        session.error(f"the setup cell changed {changed}")


def copy_tree(folder):
    """Copy the working tree, whether committed or not, to a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    ignore = shutil.ignore_patterns(".git", ".venv", "build", "*.egg-info", "__pycache__", ".*_cache")
    return shutil.copytree(ROOT, folder, ignore=ignore)
