"""Build the environment in .venv from the list in environment.yml, with nothing but Python: `python tools/env.py`.

Names of packages, as in `python tools/env.py jax[cuda13]`, are added to the environment that is there.
uv installs where it is there or can be had, or else pip. All is resolved together: no version leaves its range.
"""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
SCRIPTS = VENV / ("Scripts" if os.name == "nt" else "bin")


def build():
    if sys.hexversion < 0x30B0000:
        sys.exit(f"Python {sys.version.split()[0]} is too old: install 3.11 or newer, and name it with PYTHON=...")
    if not (find_spec("venv") and find_spec("ensurepip")):
        sys.exit(f"{sys.executable} has no venv module: on Debian and Ubuntu, apt install python3-venv brings it")
    print("Building the environment in .venv (half a minute, or as long as the downloads take) ...", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    # The pip that comes with Python is years old.
    subprocess.run([sys.executable, "-m", "venv", "--upgrade-deps", VENV], stdout=subprocess.DEVNULL, check=True)
    install()


def install(*more):
    """Install the list in environment.yml, and more packages beside it."""
    listed = re.findall(r"^      - (.*)", (ROOT / "environment.yml").read_text(encoding="utf-8"), re.MULTILINE)
    packages = [*" ".join(listed).split(), *more]
    pip = (SCRIPTS / "python", "-m", "pip", "install", "-qq", "--disable-pip-version-check")
    if not works(uv(), "--version"):
        works(*pip, "uv")
    # Compiled now, as pip does: else each kernel that starts compiles what it imports.
    if not works(uv(), "pip", "install", "--compile-bytecode", "--python", VENV, *packages):
        subprocess.run([*pip, *packages], cwd=ROOT, check=True)


def uv():
    return shutil.which("uv", path=os.pathsep.join([str(SCRIPTS), os.environ["PATH"]]))


def works(program, *words):
    return program and not subprocess.run([program, *words], cwd=ROOT, capture_output=True).returncode


if __name__ == "__main__":
    try:
        install(*sys.argv[1:]) if sys.argv[1:] else build()
    except subprocess.CalledProcessError as error:  # which has said what it is
        sys.exit(error.returncode)
    except KeyboardInterrupt:
        sys.exit(130)
