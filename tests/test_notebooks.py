"""What holds for every notebook as it is stored: its order, length, folding, constants, figures and exercises."""

import ast
import base64
import io
import re

import nbformat
import pytest
from PIL import Image

from tools import NOTEBOOKS, code_cells

FOLDED = {"jupyter": {"source_hidden": True}, "cellView": "form"}
OPEN_LINES = dict(zip(NOTEBOOKS, (221, 220, 260, 260, 260)))
FOLDED_LINES = dict(zip(NOTEBOOKS, (130, 180, 186, 160, 150)))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def is_folded(cell):
    return "hide-input" in cell.metadata.get("tags", [])


def pictures(cell):
    return [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]


def printed(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


def only(notebook, tag):
    (cell,) = code_cells(notebook, tag)
    return cell


def names_bound_in(source):
    """Return the names that code binds at its top level, and so for other cells, without those of imports."""
    names, todo = set(), [ast.parse(source)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif not isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            todo += ast.iter_child_nodes(node)
    return names


def test_it_opens_with_its_title_and_the_same_setup_cell(notebook):
    title, setup = notebook.cells[:2]
    first = nbformat.read(NOTEBOOKS[0], as_version=4).cells[1]
    assert title.cell_type == "markdown" and title.source.startswith("# ")
    assert (setup.id, setup.source, setup.outputs) == ("colab-setup", first.source, [])
    assert setup.metadata == {"tags": ["colab"], **FOLDED}


def test_what_is_stored_is_one_fresh_run(path, notebook):
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert {output.get("name", "stdout") for cell in code for output in cell.outputs} == {"stdout"}
    assert path.stat().st_size < 2_000_000


def test_code_is_short_enough_to_read(path, notebook):
    lines = {True: 0, False: 0}
    for cell in code_cells(notebook):
        rows = cell.source.splitlines()
        assert len(rows) <= 30, cell.source
        assert is_folded(cell) or max(map(len, rows)) <= 88, max(rows, key=len)
        lines[is_folded(cell)] += sum(bool(row.strip()) for row in rows)
    assert lines[False] <= OPEN_LINES[path] and lines[True] <= FOLDED_LINES[path]


def test_folded_cells_have_a_title_and_are_folded_everywhere(notebook):
    for cell in code_cells(notebook):
        assert cell.source.startswith("# @title ") == is_folded(cell), cell.source
        assert {key: value for key, value in cell.metadata.items() if key != "tags"} == (
            FOLDED if is_folded(cell) else {}
        )
    solutions = [cell for cell in notebook.cells if re.match(r"#+ Solution", cell.source)]
    assert all(cell.metadata == {"jp-MarkdownHeadingCollapsed": True} for cell in solutions)


def test_open_cells_need_nothing_that_a_folded_cell_defines(notebook):
    folded = [names_bound_in(cell.source) for cell in code_cells(notebook) if is_folded(cell)]
    hidden = {name for names in folded for name in names if not re.fullmatch(r"check_\d", name)}
    known = set()
    for cell in code_cells(notebook):
        if not is_folded(cell):
            nodes = list(ast.walk(ast.parse(cell.source)))
            known |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
            known |= {node.arg for node in nodes if isinstance(node, ast.arg)}
            known |= names_bound_in(cell.source)
            assert not {node.id for node in nodes if isinstance(node, ast.Name)} & hidden - known, cell.source


def test_one_cell_holds_the_constants_and_no_other_binds_them(notebook):
    cell = only(notebook, "parameters")
    constants = {}
    for line in ast.parse(cell.source).body:
        assert isinstance(line, ast.Assign) and len(line.targets) == 1, ast.unparse(line)
        constants[line.targets[0].id] = ast.literal_eval(line.value)
    assert constants and not is_folded(cell)
    for other in code_cells(notebook):
        if other is not cell:
            assert not names_bound_in(other.source) & constants.keys(), other.source


def test_exercises_answer(notebook):
    numbers = re.findall(r"^### Exercise (\d)", "\n".join(cell.source for cell in notebook.cells), re.MULTILINE)
    assert len(numbers) >= 3
    for number in numbers:
        calls = [cell for cell in code_cells(notebook) if re.search(rf"^check_{number}\(", cell.source, re.MULTILINE)]
        stub, solution = map(printed, calls)
        assert stub.startswith("Your turn") and solution.startswith("Right"), number


def test_every_figure_has_its_alt_text_and_prose_after_it(notebook):
    for i, cell in enumerate(notebook.cells):
        for picture in pictures(cell):
            assert len(pictures(cell)) == 1 and len(picture.metadata["image/png"]["alt"]) >= 40, cell.source
            after = [
                each.cell_type for each in notebook.cells[i + 1 :] if each.cell_type == "markdown" or pictures(each)
            ]
            assert after[0] == "markdown", cell.source


def test_one_picture_moves(notebook):
    (picture,) = pictures(only(notebook, "front"))
    contents = [each.data["image/png"] for cell in notebook.cells for each in pictures(cell)]
    moving = [content for content in contents if Image.open(io.BytesIO(base64.b64decode(content))).n_frames > 1]
    assert moving == [picture.data["image/png"]]
    content = base64.b64decode(moving[0])
    assert len(content) <= 600_000
    with Image.open(io.BytesIO(content)) as png:
        assert png.n_frames > 10 and png.info["loop"] == 2 and png.info["default_image"]


def test_one_cell_prints_the_headline(notebook):
    assert len(printed(only(notebook, "headline")).splitlines()) == 1
