"""Execute notebooks from top to bottom, each in a fresh kernel, and say how it went.

Executed copies and HTML pages are written to `build/`. With `--store` the executed
copies also replace the notebooks, so that what they show is what one fresh run gives.
A notebook that fails is named with its cell and error, the others still run, and the
exit status is 1.
"""

import argparse
import os
import re
import sys
import time
from pathlib import Path

import nbformat
import pandas as pd
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"

# nbconvert's page drops the alt texts that `helpers.plotting.show` stores with the figures.
PAGE = """{% extends "lab/index.html.j2" %}
{% block data_png scoped %}
{% set alt = output | get_metadata("alt", "image/png") or "" %}
{{ super() | replace("<img ", '<img alt="' ~ alt | escape_html ~ '" ', 1) }}
{% endblock %}"""


def main():
    parser = argparse.ArgumentParser(description="Execute notebooks into build/.")
    parser.add_argument("notebooks", nargs="*", type=Path, help="which ones; all of notebooks/ if none is named")
    parser.add_argument("--store", action="store_true", help="replace the notebooks by their executed copies")
    options = parser.parse_args()
    paths = options.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb"))

    notebooks = {path: nbformat.read(path, as_version=4) for path in paths}
    BUILD.mkdir(exist_ok=True)
    rows, errors = [], []
    with tqdm(total=sum(len(nb.cells) for nb in notebooks.values()), unit="cell") as bar:
        for path, nb in notebooks.items():
            bar.set_description(path.stem)
            start = time.perf_counter()
            error = execute(nb, path.parent, bar)
            seconds = time.perf_counter() - start
            write(BUILD / path.name, nbformat.writes(nb) + "\n")
            write(BUILD / f"{path.stem}.html", HTMLExporter(raw_template=PAGE).from_notebook_node(nb)[0])
            if error:
                errors.append(f"{path.name}, {error}")
            elif options.store:
                write(path, nbformat.writes(nb) + "\n")
            code_cells = sum(cell.cell_type == "code" for cell in nb.cells)
            rows.append((path.stem, code_cells, round(seconds, 1), "FAILED" if error else headline(nb)))

    print(pd.DataFrame(rows, columns=["notebook", "cells", "seconds", "headline"]).to_string(index=False))
    print("\n\n".join(["", *errors]), file=sys.stderr)
    return 1 if errors else 0


def execute(nb, folder, bar):
    """Run every cell of `nb` in place; return None, or the number of the failing cell and its error."""
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        nb,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--log-level=ERROR"],  # ipykernel warns at each start that it listens on loopback TCP
        record_timing=False,
        coalesce_streams=True,
        on_cell_complete=lambda cell, cell_index: bar.update(),
    )
    try:
        client.execute()
    except CellExecutionError as error:
        failed = next(
            i for i, cell in enumerate(nb.cells) if any(o.output_type == "error" for o in cell.get("outputs", []))
        )
        return f"cell {failed + 1}:\n{error}"
    nb.metadata = {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
    }
    return None


def headline(nb):
    """Return the last line printed by the cell that is tagged `headline`."""
    for cell in nb.cells:
        if "headline" in cell.metadata.get("tags", []):
            text = "".join(output.get("text", "") for output in cell.outputs).strip()
            return re.sub(r"\s+", " ", text.splitlines()[-1])
    return ""


def write(path, text):
    """Write a text file under a temporary name and rename it, so that an interrupted run leaves no half file."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


if __name__ == "__main__":
    sys.exit(main())
