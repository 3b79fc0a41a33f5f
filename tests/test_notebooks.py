"""What holds for every notebook as it is stored: its order, folding, figures, size and reading time."""

import ast
import base64
import io
import math
import re
from pathlib import Path

import nbformat
import pytest
from PIL import Image

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))
FOLDED = {"jupyter": {"source_hidden": True}, "cellView": "form"}
MINUTES = dict(zip(NOTEBOOKS, (20, 20, 25, 25, 25)))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def cells(path):
    cells = nbformat.read(path, as_version=4).cells
    for cell in cells:
        cell.tags = cell.metadata.pop("tags", [])
    return cells


def code_of(cells):
    """Return the code cells without the first, which sets Colab up."""
    return [cell for cell in cells if cell.cell_type == "code"][1:]


def pictures(cell):
    return [output for output in cell.outputs if "image/png" in output.get("data", {})]


def tagged(cells, tag):
    (cell,) = [cell for cell in cells if tag in cell.tags]
    return cell


def test_it_opens_with_its_title_and_the_same_setup_cell(cells):
    title, setup = cells[:2]
    first = nbformat.read(NOTEBOOKS[0], as_version=4).cells[1]
    assert title.cell_type == "markdown" and title.source.startswith("# ")
    assert (setup.id, setup.source, setup.outputs) == ("colab-setup", first.source, [])
    assert setup.tags == ["colab"] and setup.metadata == FOLDED


def test_what_is_stored_is_one_fresh_run_of_short_cells(path, cells):
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert {output.get("name", "stdout") for cell in code for output in cell.outputs} == {"stdout"}
    assert all(len(cell.source.splitlines()) <= 30 for cell in code)
    assert path.stat().st_size < 2_000_000


def test_folded_cells_have_a_title_and_are_folded_everywhere(cells):
    for cell in code_of(cells):
        folded = "hide-input" in cell.tags
        assert cell.source.startswith("# @title ") == folded, cell.source
        assert cell.metadata == (FOLDED if folded else {}), cell.source
    solutions = [cell for cell in cells if re.match(r"#+ Solution", cell.source)]
    assert solutions and all(cell.metadata == {"jp-MarkdownHeadingCollapsed": True} for cell in solutions)


def test_open_cells_need_nothing_that_a_folded_cell_defines(cells):
    defined, hidden = set(), set()
    for cell in code_of(cells):
        names = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Name)]
        stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        for node in ast.walk(ast.parse(cell.source)):
            stored |= {node.arg} if isinstance(node, ast.arg) else set()
            stored |= {node.name} if isinstance(node, ast.FunctionDef | ast.ClassDef) else set()
            stored |= {node.asname or node.name} if isinstance(node, ast.alias) else set()
        if "hide-input" in cell.tags:
            hidden |= stored
        else:
            defined |= stored
            assert not ({node.id for node in names} & hidden) - defined, cell.source


def test_every_figure_has_its_alt_text_and_prose_after_it(cells):
    code = code_of(cells)
    assert all("plt.show(" not in cell.source for cell in code)
    calls = [node for cell in code for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)]
    shows = [call for call in calls if re.fullmatch(r"(plotting\.)?show(_moving)?", ast.unparse(call.func))]
    texts = [each.value for node in shows for each in node.args if isinstance(each, ast.Constant)]
    assert len(texts) == len(shows) and all(len(text) >= 40 for text in texts)
    for i, cell in enumerate(cells):
        for picture in pictures(cell) if cell.cell_type == "code" else []:
            assert picture.metadata["image/png"]["alt"] in texts
            after = [each.cell_type for each in cells[i + 1 :] if each.cell_type == "markdown" or pictures(each)]
            assert after[0] == "markdown", cell.source


def test_no_text_in_a_figure_is_below_8_points(cells):
    sizes = [float(size) for cell in code_of(cells) for size in re.findall(r"fontsize=([\d.]+)", cell.source)]
    assert all(size >= 8 for size in sizes)


def test_one_picture_moves(cells):
    (picture,) = pictures(tagged(cells, "front"))
    content = base64.b64decode(picture.data["image/png"])
    assert len(content) <= 600_000
    with Image.open(io.BytesIO(content)) as png:
        assert png.info["loop"] == 2 and png.info["default_image"]
        durations = []
        for i in range(1, png.n_frames):  # number 0 is what stands where nothing moves
            png.seek(i)
            durations.append(png.info["duration"])
    assert len(durations) > 10 and sum(durations) <= 5000


def test_one_cell_prints_the_headline(cells):
    printed = "".join(output.get("text", "") for output in tagged(cells, "headline").outputs)
    assert len(printed.strip().splitlines()) == 1


def test_the_title_says_the_minutes_of_reading(path, cells):
    """Words at 200 a minute and lines of open code at 3 seconds, without imports and solutions."""
    words = lines = 0
    solution = False
    for cell in cells:
        if cell.cell_type == "markdown":
            solution = bool(re.match(r"#+ Solution", cell.source))
            words += 0 if solution else len(cell.source.split())
        elif not (solution or {"hide-input", "colab"} & set(cell.tags)):
            body = [line for line in cell.source.splitlines() if line.strip()]
            imports = all(re.match(r"(import|from)\b|plt\.style|\s|\)", line) for line in body)
            lines += 0 if imports else len(body)
    minutes = math.ceil(words / 200 + lines * 3 / 60)
    assert f"About {minutes} minutes of reading." in cells[0].source
    assert minutes <= MINUTES[path]
