"""Build the environment in .venv, with nothing but Python: `python tools/env.py`.

With names of optional lists in pyproject.toml, as in `python tools/env.py site`, add those lists to it.
"""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def main(*lists):
    if not lists and make_venv():
        return "the environment could not be made; the lines above say why"
    packages = ["-e", f".[{','.join(['test', *lists])}]"]
    pip = [PYTHON, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    # uv is much faster, but may be missing or fail. Without --compile-bytecode, the first run of a notebook is slow.
    uv = [PYTHON, "-m", "uv", "pip", "install", "--compile-bytecode", "--python", PYTHON]
    if run(*pip, "uv", capture_output=True) or run(*uv, *packages, capture_output=True):
        return run(*pip, *packages)


def make_venv():
    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit(f"Python {sys.version.split()[0]} is too old: install 3.11 or newer, and name it with PYTHON=...")
    if not find_spec("ensurepip"):
        sys.exit(f"{sys.executable} cannot make environments: on Debian and Ubuntu, run apt install python3-venv")
    if Path(sys.prefix).resolve() == VENV:
        sys.exit("this Python belongs to .venv, which is to be replaced: run deactivate, or name another Python")
    print("Building the environment in .venv (half a minute, or as long as the downloads take) ...", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    return run(sys.executable, "-m", "venv", "--upgrade-deps", VENV, stdout=subprocess.DEVNULL)


def run(*command, **options):
    return subprocess.run(command, cwd=ROOT, **options).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
