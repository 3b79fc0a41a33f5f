"""The commands behind `make`, run from the root of the repository: `python -m tools.run` and so on."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def code_cells(notebook, tag=None):
    """Return a notebook's code cells that have a tag, or all but the setup cell for Colab."""
    code = [(cell, cell.metadata.get("tags", [])) for cell in notebook.cells if cell.cell_type == "code"]
    return [cell for cell, tags in code if (tag in tags if tag else "colab" not in tags)]


def write(path, content):
    """Write bytes or text to a temporary file and rename it, so that an interruption leaves no half file."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
