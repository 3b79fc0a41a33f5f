"""Every figure of the notebooks has alt text, prose that says what it shows, and text of 8 points or more."""

import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))


def figure_cells(path):
    """Return the cells of a notebook, and the numbers of those that draw a figure."""
    cells = nbformat.read(path, as_version=4).cells
    return cells, [i for i, cell in enumerate(cells) if cell.cell_type == "code" and "plt.subplots(" in cell.source]


def pictures(cell):
    return [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_figure_is_shown_with_alt_text(path):
    cells, figures = figure_cells(path)
    assert figures
    assert figures == [i for i, cell in enumerate(cells) if pictures(cell)]
    for i in figures:
        source = re.sub(r'"\s+"', "", cells[i].source)  # a text over several lines is one text
        assert "plt.show(" not in source and re.search(r'\bshow\(\s*fig,\s*"[^"]{40,}"', source), f"cell {i}: {source}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_stored_picture_has_the_alt_text_of_its_cell(path):
    for i, cell in enumerate(nbformat.read(path, as_version=4).cells):
        for picture in pictures(cell):
            alt = picture.metadata.get("image/png", {}).get("alt")
            assert alt, f"cell {i}: no alt text is stored; `make store` stores it"
            assert alt in re.sub(r'"\s+"', "", cell.source), f"cell {i}: another alt text is stored: {alt}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_prose_follows_every_figure(path):
    cells, figures = figure_cells(path)
    for i, following in zip(figures, [*figures[1:], len(cells)]):
        assert any(cell.cell_type == "markdown" for cell in cells[i + 1 : following]), f"cell {i}: {cells[i].source}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_cell_sets_a_font_below_8_points(path):
    cells, figures = figure_cells(path)
    sizes = [float(size) for i in figures for size in re.findall(r"fontsize=([\d.]+)", cells[i].source)]
    assert all(size >= 8 for size in sizes), sizes
