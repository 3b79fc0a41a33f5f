"""Write the repository's address where Colab needs it: the notebooks' setup cells, and badges in the README.

Without an address it takes that of the git remote `origin`. A second run changes nothing,
and one with another address replaces the first.
"""

import argparse
import re
import subprocess
import sys

import nbformat
from run_notebooks import ROOT, write

GITHUB = "https://github.com/"
BADGE = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"


def main():
    parser = argparse.ArgumentParser(description="Write the repository's address where Colab needs it.")
    parser.add_argument("address", nargs="?", help="https://github.com/OWNER/NAME; that of origin if none is given")
    try:
        address = normalize(parser.parse_args().address or origin(ROOT))
        badges = set_address(ROOT, address)
    except ValueError as error:
        return str(error)
    print(f"The notebooks' setup cells clone {address}; README.md has {badges} badges.")


def set_address(root, address):
    """Write the address into the notebooks and the README under `root`; return the number of badges."""
    # All texts are made before the first is written, so that an error leaves every file as it was.
    texts = {path: notebook_with(address, path) for path in sorted((root / "notebooks").glob("*.ipynb"))}
    readme = with_badges(address, (root / "README.md").read_text(encoding="utf-8"))
    for path, text in [*texts.items(), (root / "README.md", readme)]:
        write(path, text)
    return readme.count(BADGE)


def origin(root):
    """Return the address of the git remote `origin`. Raises ValueError where there is none."""
    git = subprocess.run(["git", "remote", "get-url", "origin"], cwd=root, capture_output=True, text=True)
    if git.returncode:
        raise ValueError("there is no git remote origin: run make colab REPO=https://github.com/OWNER/NAME")
    return git.stdout


def normalize(address):
    """Return the address that anybody can clone from: https, without `.git` at the end.

    Raises ValueError unless it is https, git@ or, as the tests have it, file.
    """
    address = re.sub(r"^(ssh://)?git@([\w.-]+)[:/]", r"https://\2/", address.strip())
    address = re.sub(r"^https://[^/@]*@", "https://", address)  # a token in it must not get into a notebook
    address = address.rstrip("/").removesuffix(".git")
    if not re.fullmatch(r"(https://[\w.:-]+|file://)(/[\w.~%+-]+)+", address):
        raise ValueError(f"the address must be like https://github.com/OWNER/NAME, got {address!r}")
    return address


def notebook_with(address, path):
    """Return a notebook's text with the address in its setup cell, the one tagged `colab`."""
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if "colab" in cell.metadata.get("tags", [])]
    line = re.compile('^REPO = ".*?"', re.MULTILINE)
    if len(cells) != 1 or not line.search(cells[0].source):
        raise ValueError(f'{path.name} must have one cell tagged colab with a line REPO = "...", got {len(cells)}')
    cells[0].source = line.sub(f'REPO = "{address}"', cells[0].source)
    return nbformat.writes(notebook) + "\n"


def with_badges(address, text):
    """Return the README's text with a badge beside each notebook of its table; off GitHub, with none."""

    def row(match):
        badge = f"{BADGE}(https://colab.research.google.com/github/{address.removeprefix(GITHUB)}/blob/main/{match[2]})"
        return f"{match[1]} {badge}" if address.startswith(GITHUB) else match[1]

    return re.sub(rf"(\| \[[^]]*]\((notebooks/\w+\.ipynb)\))( {re.escape(BADGE)}\([^)]*\))?", row, text)


if __name__ == "__main__":
    sys.exit(main())
