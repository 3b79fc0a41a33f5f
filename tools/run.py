"""Execute notebooks, each in a fresh kernel, and print how each one went: `make run` and `make store`.

Executed copies and HTML pages go to `build/`. With `--store`, notebooks run one at a time, so that timings are honest,
the claims of the text must hold, and what succeeds replaces the notebook. A failure does not stop the other notebooks.
"""

import argparse
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from tqdm import tqdm

from tools import NOTEBOOKS, ROOT, code_cells, write

# Of nbconvert's templates, "classic" is the one with alt texts. What Jupyter folds is folded here too.
PAGE = """{% extends "classic/index.html.j2" %}{% block input_group %}{% if cell.metadata.cellView %}
<details><summary style="display: list-item">{{ cell.source.splitlines()[0].replace("# @title", "Show code:") | e }}
</summary>{{ super() }}</details>{% else %}{{ super() }}{% endif %}{% endblock %}"""


def main():
    parser = argparse.ArgumentParser(description="Execute notebooks into build/.")
    parser.add_argument("notebooks", nargs="*", type=Path, default=NOTEBOOKS, help="all of notebooks/ by default")
    parser.add_argument("--store", action="store_true", help="keep the outputs in the notebooks themselves")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="a folder other than build/")
    options = parser.parse_args()
    options.build.mkdir(parents=True, exist_ok=True)
    if options.store:
        os.environ["CLAIMS"] = "strict"  # kernels inherit it
    pool = ThreadPoolExecutor(1 if options.store else min(4, os.cpu_count()))
    with tqdm(total=0, unit="cell") as bar:
        results = list(pool.map(lambda path: run(path, options, bar), options.notebooks))
    print(*(row for row, _ in results), sep="\n")
    print(*(error for _, error in results if error), sep="\n", end="", file=sys.stderr)
    return int(any(error for _, error in results))


def run(path, options, bar):
    """Execute a notebook and write the results; return its row of the table, and its error or an empty text."""
    start, error = time.perf_counter(), ""
    try:
        notebook = nbformat.read(path, as_version=4)
        bar.total += sum(cell.cell_type == "code" for cell in notebook.cells)
        try:
            execute(notebook, path.parent, on_cell_executed=lambda **_: bar.update())
        finally:
            text = nbformat.writes(notebook) + "\n"
            write(options.build / path.name, text)
            page, _ = HTMLExporter(template_name="classic", raw_template=PAGE).from_notebook_node(notebook)
            write(options.build / f"{path.stem}.html", page)
        if options.store:
            write(path, text)
        outcome = "".join(output.text.strip() for cell in code_cells(notebook, "headline") for output in cell.outputs)
    except Exception as failure:  # of whatever kind: the other notebooks still run
        outcome, error = "FAILED", f"\n{path.name}: {type(failure).__name__}: {failure}\n"
    return f"{path.stem:22}{time.perf_counter() - start:4.0f} s  {outcome}", error


def execute(notebook, folder, **options):
    """Run every cell of a notebook in place, in a fresh kernel that works in that folder."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    options |= {"resources": {"metadata": {"path": str(folder)}}, "kernel_name": "python3", "record_timing": False}
    options |= {"store_widget_state": False}
    options |= {"extra_arguments": ["--log-level=ERROR"], "shutdown_kernel": "immediate", "coalesce_streams": True}
    client = NotebookClient(notebook, **options)
    client.log.disabled = True  # what it logs is in the exception too
    # Without this, nbclient acts as a browser for widgets, and sometimes waits forever.
    client.comm_open_handlers = {}
    client.execute()
    # nbclient adds the version of Python, which would differ from one store to the next.
    notebook.metadata.language_info = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("Interrupted. Every notebook is either as it was or complete.", file=sys.stderr)
        os._exit(130)  # without waiting for running cells; a kernel ends when the process that started it has
