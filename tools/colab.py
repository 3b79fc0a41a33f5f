"""Write the repository's address, by default that of the remote `origin`, into setup cells and the README's badges."""

import re
import subprocess
import sys

import nbformat

from tools import NOTEBOOKS, ROOT, code_cells, write

COLAB = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"


def main(address=None):
    if not address:
        git = ["git", "remote", "get-url", "origin"]
        address = subprocess.run(git, cwd=ROOT, capture_output=True, text=True).stdout
    # The form that anybody can clone from: https, without a token, without .git at the end.
    address = re.sub(r"^(ssh://)?git@([\w.-]+)[:/]", r"https://\2/", address.strip())
    address = re.sub(r"^https://[^/@]*@", "https://", address).rstrip("/").removesuffix(".git")
    if not re.fullmatch(r"(https://[\w.:-]+|file://)(/[\w.~%+-]+)+", address):
        return f"run make colab REPO=https://github.com/OWNER/NAME; the address that is known is {address!r}"
    # Every text is made before the first is written, so that an error leaves all files as they were.
    texts = {ROOT / "README.md": with_badges(address, (ROOT / "README.md").read_text(encoding="utf-8"))}
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        (cell,) = code_cells(notebook, "colab")
        cell.source = re.sub('^REPO = ".*?"', f'REPO = "{address}"', cell.source, flags=re.MULTILINE)
        texts[path] = nbformat.writes(notebook) + "\n"
    for path, text in texts.items():
        write(path, text)
    print(f"The notebooks' setup cells now clone {address}.")


def with_badges(address, readme):
    """Return the README with new badges: tests and Binder under its title, Colab after each notebook in the table."""
    old = r"\[!\[(?:tests|Binder|Open in Colab)]\(\S+\)]\(\S+\)"
    readme = re.sub(rf"{old} {old}\n\n| {old}", "", readme)
    if not address.startswith("https://github.com/"):  # the services know no other host
        return readme
    name, tests = address.removeprefix("https://github.com/"), f"{address}/actions/workflows/test.yml"
    top = f"[![tests]({tests}/badge.svg)]({tests}) [![Binder](https://mybinder.org/badge_logo.svg)]"
    top += f"(https://mybinder.org/v2/gh/{name}/main?labpath=notebooks)"
    colab = f"{COLAB}(https://colab.research.google.com/github/{name}/blob/main/"
    readme = readme.replace("\n\n", f"\n\n{top}\n\n", 1)
    return re.sub(r"\| \[[^]]*]\((notebooks/\w+\.ipynb)\)", rf"\g<0> {colab}\1)", readme)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
