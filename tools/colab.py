"""Write the repository's address where Colab needs it: the notebooks' setup cells, and badges in the README.

Without an address it takes that of the git remote `origin`. A second run changes nothing,
and one with another address replaces the first.
"""

import re
import subprocess
import sys

import nbformat

from tools import NOTEBOOKS, ROOT, write

GITHUB = "https://github.com/"
BADGE = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"


def main(address=None):
    if not address:
        git = subprocess.run(["git", "remote", "get-url", "origin"], cwd=ROOT, capture_output=True, text=True)
        if git.returncode:
            return "there is no git remote origin: run make colab REPO=https://github.com/OWNER/NAME"
        address = git.stdout
    address = normalize(address)
    if not re.fullmatch(r"(https://[\w.:-]+|file://)(/[\w.~%+-]+)+", address):
        return f"the address must be like https://github.com/OWNER/NAME, got {address!r}"
    # All texts are made before the first is written, so that an error leaves every file as it was.
    texts = {path: notebook_with(address, path) for path in NOTEBOOKS}
    texts[ROOT / "README.md"] = readme = with_badges(address, (ROOT / "README.md").read_text(encoding="utf-8"))
    for path, text in texts.items():
        write(path, text)
    print(f"The notebooks' setup cells clone {address}; README.md has {readme.count(BADGE)} badges.")


def normalize(address):
    """Return the address that anybody can clone from: https, without a token, and without `.git` at the end."""
    address = re.sub(r"^(ssh://)?git@([\w.-]+)[:/]", r"https://\2/", address.strip())
    return re.sub(r"^https://[^/@]*@", "https://", address).rstrip("/").removesuffix(".git")


def notebook_with(address, path):
    """Return a notebook's text with the address in its setup cell."""
    notebook = nbformat.read(path, as_version=4)
    cell = next(cell for cell in notebook.cells if "colab" in cell.metadata.get("tags", []))
    cell.source = re.sub('^REPO = ".*?"', f'REPO = "{address}"', cell.source, flags=re.MULTILINE)
    return nbformat.writes(notebook) + "\n"


def with_badges(address, text):
    """Return the README's text with a badge beside each notebook of its table; off GitHub, with none."""

    def row(match):
        badge = f"{BADGE}(https://colab.research.google.com/github/{address.removeprefix(GITHUB)}/blob/main/{match[2]})"
        return f"{match[1]} {badge}" if address.startswith(GITHUB) else match[1]

    return re.sub(rf"(\| \[[^]]*]\((notebooks/\w+\.ipynb)\))( {re.escape(BADGE)}\([^)]*\))?", row, text)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
