"""Execute notebooks from top to bottom, each in a fresh kernel, and say how it went.

Executed copies and HTML pages are written to `build/`. With `--store` the executed
copies also replace the notebooks, so that what they show is what one fresh run gives.
A notebook that fails is named with its cell and error, the others still run, and the
exit status is 1. Ctrl-C ends the kernel, keeps every file whole, and the exit status is 130.
"""

import argparse
import asyncio
import os
import re
import sys
import time
from pathlib import Path

import nbformat
import pandas as pd
import zmq
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent

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
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="another folder than build/")
    parser.add_argument("--timeout", type=int, default=600, help="seconds that one cell may take; 600 if not given")
    options = parser.parse_args()
    paths = options.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb"))

    options.build.mkdir(exist_ok=True)
    notebooks, rows, errors = {}, [], []
    for path in paths:
        try:
            notebooks[path] = nbformat.read(path, as_version=4)
        except (OSError, ValueError, AttributeError, nbformat.ValidationError) as error:
            errors.append(f"{path.name}, not a notebook that can be read:\n{type(error).__name__}: {error}")
            rows.append((path.stem, 0, 0.0, "FAILED"))
    total = sum(cell.cell_type == "code" for nb in notebooks.values() for cell in nb.cells)
    with tqdm(total=total, unit="cell") as bar:
        for path, nb in notebooks.items():
            bar.set_description(path.stem)
            start = time.perf_counter()
            error = execute(nb, path.parent, bar, options.timeout)
            seconds = time.perf_counter() - start
            write(options.build / path.name, nbformat.writes(nb) + "\n")
            write(options.build / f"{path.stem}.html", HTMLExporter(raw_template=PAGE).from_notebook_node(nb)[0])
            if error:
                errors.append(f"{path.name}, {error}")
            elif options.store:
                write(path, nbformat.writes(nb) + "\n")
            code_cells = sum(cell.cell_type == "code" for cell in nb.cells)
            rows.append((path.stem, code_cells, round(seconds, 1), "FAILED" if error else headline(nb)))

    print(pd.DataFrame(rows, columns=["notebook", "cells", "seconds", "headline"]).to_string(index=False))
    print("\n\n".join(["", *errors]), file=sys.stderr)
    return 1 if errors else 0


def execute(nb, folder, bar, timeout):
    """Run every cell of `nb` in place; return None, or the number of the failing cell and its error."""
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    started = []
    client = NotebookClient(
        nb,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--log-level=ERROR"],  # ipykernel warns at each start that it listens on loopback TCP
        shutdown_kernel="immediate",  # a kernel asked to leave in the middle of a cell complains
        record_timing=False,
        coalesce_streams=True,
        on_cell_execute=lambda cell, cell_index: started.append(cell_index),
        on_cell_complete=lambda cell, cell_index: bar.update(),
    )
    client.log.disabled = True  # what it logs is in the error, too
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(attempt(client))
    except (CellExecutionError, CellTimeoutError) as error:
        return f"cell {started[-1] + 1}:\n{error}"
    except RuntimeError as error:  # the kernel died, or did not start
        where = f"cell {started[-1] + 1}:\n{nb.cells[started[-1]].source}" if started else "before its first cell:"
        return f"{where}\n{type(error).__name__}: {error}"
    nb.metadata = {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
    }
    return None


class Loop(asyncio.SelectorEventLoop):
    """An event loop that leaves signals to asyncio's Runner: nbclient's own handler turns Ctrl-C into other errors."""

    def add_signal_handler(self, *_):
        raise NotImplementedError  # nbclient goes on without, as on Windows


async def attempt(client):
    """Execute a client's notebook; Ctrl-C, which cancels this task, ends the kernel."""
    reminder = asyncio.create_task(remind(client))
    try:
        await client.async_execute()
    except DeadKernelError:
        if asyncio.current_task().cancelling():  # nbclient takes the one for the other
            raise asyncio.CancelledError from None
        raise
    finally:
        reminder.cancel()
        if client.km and client.km.has_kernel:
            await client.km.shutdown_kernel(now=True)


async def remind(client):
    """Look every second at what has come in: while nbclient writes to a widget it can miss that, and wait for good."""
    while True:
        await asyncio.sleep(1)
        if client.kc and client.kc.channels_running:
            for channel in (client.kc.shell_channel, client.kc.iopub_channel):
                channel.socket.get(zmq.EVENTS)  # pyzmq then wakes whoever waits for it


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
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("Interrupted: every notebook is as it was, or whole and new.", file=sys.stderr)
        sys.exit(130)
