"""Execute the notebooks side by side, each in a fresh kernel, and say how it went.

Executed copies and HTML pages are written to `build/`. With `--store` the notebooks run one
after the other, so that the seconds in them are honest, and the copies replace them. One that
fails is named with its cell and error, the others still run, and the exit status is 1. Ctrl-C
ends the kernels, keeps every file whole, and the exit status is 130.

`jupyter nbconvert --execute` and papermill run one notebook at a time, stop at the first that
fails and have no table; nbconvert's pages have no alt texts, and its Ctrl-C is a traceback.
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

from tools import NOTEBOOKS, ROOT, write

# nbconvert's page with the alt texts that `helpers.plotting.show` stores, and with folded cells.
PAGE = r"""{% extends "lab/index.html.j2" %}
{% block data_png scoped %}
{% set alt = output | get_metadata("alt", "image/png") or "" %}
{{ super() | replace("<img ", '<img alt="' ~ alt | escape_html ~ '" ', 1) }}
{% endblock %}
{% block input_group %}
{% if cell.metadata.jupyter and cell.metadata.jupyter.source_hidden %}
{% set title = cell.source.split("\n")[0] | replace("# @title ", "") | escape_html %}
<details><summary style="margin: 6px 72px; font: 13px sans-serif">Show code: {{ title }}</summary>
{{ super() }}</details>
{% else %}{{ super() }}{% endif %}
{% endblock %}"""


def main():
    parser = argparse.ArgumentParser(description="Execute notebooks into build/.")
    parser.add_argument("notebooks", nargs="*", type=Path, help="which ones; all of notebooks/ if none is named")
    parser.add_argument("--store", action="store_true", help="replace the notebooks by their executed copies")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="another folder than build/")
    parser.add_argument("--timeout", type=int, default=600, help="seconds that one cell may take; 600 if not given")
    options = parser.parse_args()
    options.build.mkdir(exist_ok=True)
    with asyncio.Runner(loop_factory=Loop) as runner:
        results = runner.run(run(options.notebooks or NOTEBOOKS, options))
    rows, errors = [row for row, _ in results], [error for _, error in results if error]
    print(pd.DataFrame(rows, columns=["notebook", "cells", "seconds", "headline"]).to_string(index=False))
    if errors:
        print("\n\n".join(["", *errors]), file=sys.stderr)
    return 1 if errors else 0


class Loop(asyncio.SelectorEventLoop):
    """An event loop that leaves signals to asyncio's Runner: nbclient's own handler turns Ctrl-C into other errors."""

    def add_signal_handler(self, *_):
        raise NotImplementedError  # nbclient goes on without, as on Windows


async def run(paths, options):
    """Return for each notebook its row of the table, and its error or None."""
    free = asyncio.Semaphore(1 if options.store else min(4, os.cpu_count()))
    with tqdm(total=0, unit="cell") as bar:
        async with asyncio.TaskGroup() as group:  # the last notebook takes longest, and so starts first
            tasks = [group.create_task(run_one(path, options, free, bar)) for path in reversed(paths)]
    return [task.result() for task in reversed(tasks)]


async def run_one(path, options, free, bar):
    try:
        nb = nbformat.read(path, as_version=4)
    except (OSError, ValueError, AttributeError, nbformat.ValidationError) as error:
        row = path.stem, 0, 0.0, "FAILED"
        return row, f"{path.name}, not a notebook that can be read:\n{type(error).__name__}: {error}"
    cells = [cell for cell in nb.cells if cell.cell_type == "code"]
    bar.total += len(cells)
    async with free:
        start = time.perf_counter()
        error = await execute(nb, path, bar, options.timeout)
        seconds = time.perf_counter() - start
        page, _ = await asyncio.to_thread(HTMLExporter(raw_template=PAGE).from_notebook_node, nb)
    text = nbformat.writes(nb) + "\n"
    write(options.build / path.name, text)
    write(options.build / f"{path.stem}.html", page)
    if options.store and not error:
        write(path, text)
    row = path.stem, len(cells), round(seconds, 1), "FAILED" if error else headline(nb)
    return row, f"{path.name}, {error}" if error else None


async def execute(nb, path, bar, timeout):
    """Run every cell of `nb` in place; return None, or the number of the failing cell and its error."""
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    started = []
    client = NotebookClient(
        nb,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        extra_arguments=["--log-level=ERROR"],  # ipykernel warns at each start that it listens on loopback TCP
        shutdown_kernel="immediate",  # a kernel asked to leave in the middle of a cell complains
        record_timing=False,
        coalesce_streams=True,
        on_cell_execute=lambda cell, cell_index: (started.append(cell_index), bar.set_description(path.stem)),
        on_cell_complete=lambda cell, cell_index: bar.update(),
    )
    client.log.disabled = True  # what it logs is in the error, too
    reminder = asyncio.create_task(remind(client))
    try:
        await client.async_execute()
    except (CellExecutionError, CellTimeoutError) as error:
        return f"cell {started[-1] + 1}:\n{error}"
    except RuntimeError as error:  # the kernel died, or did not start
        if isinstance(error, DeadKernelError) and asyncio.current_task().cancelling():  # or it was Ctrl-C
            raise asyncio.CancelledError from None
        where = f"cell {started[-1] + 1}:\n{nb.cells[started[-1]].source}" if started else "before its first cell:"
        return f"{where}\n{type(error).__name__}: {error}"
    finally:
        reminder.cancel()
        if client.km and client.km.has_kernel:
            await client.km.shutdown_kernel(now=True)
    nb.metadata = {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
    }


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


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("Interrupted: every notebook is as it was, or whole and new.", file=sys.stderr)
        sys.exit(130)
