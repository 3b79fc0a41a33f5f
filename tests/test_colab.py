"""The setup cell that all notebooks share, and `make colab`, without Colab: a stand-in takes its place.

In place of Colab there is an empty folder, a Python that has the packages but not this
repository, and a package `google.colab` to be found.
"""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import nbformat
import pip
import pytest
from colab_address import normalize, origin, set_address

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
# A .pth file in a folder that PYTHONPATH names is not read, so what is installed as editable is not found.
PACKAGES = [path for path in sys.path if path.endswith("-packages")]


def setup_cell(path):
    """Return a notebook's second cell, after its title."""
    return nbformat.read(path, as_version=4).cells[1]


def run(command, folder, **environment):
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "PIP_CONFIG_FILE": os.devnull, **environment}
    command = [str(word) for word in command]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)


def copy(root, *names):
    """Copy parts of the working tree into `root`, and return it."""
    unwanted = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    for name in names:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=unwanted)
        else:
            shutil.copy(ROOT / name, root)
    return root


def files_of(root):
    return {path.name: path.read_text(encoding="utf-8") for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    """A git repository of the working tree whose notebooks hold its own file:// address."""
    root = copy(tmp_path_factory.mktemp("repository"), "README.md", "data", "helpers", "notebooks", "pyproject.toml")
    set_address(root, root.as_uri())
    author = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for words in (["init", "--quiet"], ["add", "."], [*author, "commit", "--quiet", "--message", "all"]):
        done = run(["git", *words], root)
        assert done.returncode == 0, done.stderr
    return root


def make_python(folder):
    """Make a virtual environment with nothing in it, not even pip, and return its interpreter."""
    venv.create(folder, symlinks=True)
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def python(tmp_path_factory):
    return make_python(tmp_path_factory.mktemp("python"))


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory):
    """A folder with a package google.colab, to stand on PYTHONPATH."""
    folder = tmp_path_factory.mktemp("stand_in")
    (folder / "google" / "colab").mkdir(parents=True)
    (folder / "google" / "colab" / "__init__.py").touch()
    return folder


@pytest.fixture
def content(tmp_path):
    """An empty folder, as /content is in Colab."""
    folder = tmp_path / "content"
    folder.mkdir()
    return folder


def run_source(python, source, folder, paths):
    return run([python, "-W", "error", "-c", source], folder, PYTHONPATH=os.pathsep.join(map(str, paths)))


def test_all_notebooks_have_the_same_setup_cell_after_the_title():
    cells = [setup_cell(ROOT / "notebooks" / name) for name in NOTEBOOKS]
    assert len(cells) == 5
    for cell in cells:
        assert cell.source == cells[0].source
        assert (cell.id, cell.metadata.tags, cell.outputs) == ("colab-setup", ["colab"], [])


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_alone_in_a_folder_runs_to_its_end(name, repository, python, stand_in, content, tmp_path):
    notebook = nbformat.read(repository / "notebooks" / name, as_version=4)
    before = "import sys\nfrom importlib.util import find_spec\nassert not find_spec('helpers')\nprint(sys.prefix)"
    after = "import helpers\nprint(helpers.__file__)"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(before))
    notebook.cells.append(nbformat.v4.new_code_cell(after))
    nbformat.write(notebook, content / name)

    environment = {
        "PYTHONPATH": os.pathsep.join([str(stand_in), *PACKAGES]),
        # The kernel is looked for first in the one, and the HTML template is found in the other.
        "JUPYTER_PATH": os.pathsep.join(str(Path(each, "share", "jupyter")) for each in (tmp_path, sys.prefix)),
    }
    kernel = run([python, "-m", "ipykernel", "install", "--prefix", tmp_path], content, **environment)
    assert kernel.returncode == 0, kernel.stderr
    command = [python, ROOT / "scripts" / "run_notebooks.py", "--build", tmp_path, "--timeout", 300, content / name]
    done = run(command, content, **environment)
    assert done.returncode == 0, done.stderr

    cells = nbformat.read(tmp_path / name, as_version=4).cells
    assert Path(cells[0].outputs[0].text.strip()) == python.parent.parent
    assert Path(cells[-1].outputs[0].text.strip()) == content / "jax-from-scratch" / "helpers" / "__init__.py"
    assert cells[2].id == "colab-setup" and cells[2].outputs == []
    assert sorted(path.name for path in content.iterdir()) == [name, "jax-from-scratch"]


def test_the_setup_cell_does_nothing_outside_colab(repository, python, content):
    source = setup_cell(repository / "notebooks" / NOTEBOOKS[0]).source
    done = run_source(python, f"{source}\nassert os.listdir() == []\nprint(os.getcwd())", content, PACKAGES)
    assert (done.stdout, done.stderr) == (f"{content}\n", "")


def test_the_setup_cell_may_run_twice_and_after_a_restart(repository, python, stand_in, content):
    source = setup_cell(repository / "notebooks" / NOTEBOOKS[0]).source
    paths = [stand_in, *PACKAGES]
    for times in (2, 1):  # twice in one kernel, then once in the next, which starts in the outer folder again
        done = run_source(
            python, "\n".join([source] * times + ["print(os.getcwd())", "import helpers"]), content, paths
        )
        assert (done.stdout, done.stderr) == (f"{content / 'jax-from-scratch'}\n", "")
        (content / "jax-from-scratch" / "mine.txt").touch()
    assert [path.name for path in content.iterdir()] == ["jax-from-scratch"]
    assert (content / "jax-from-scratch" / "mine.txt").exists()


@pytest.mark.parametrize("address", ["", "file:///no/such/repository"])
def test_an_address_that_cannot_be_cloned_is_named(address, repository, python, stand_in, content):
    source = setup_cell(repository / "notebooks" / NOTEBOOKS[0]).source
    assert repository.as_uri() in source
    source = source.replace(repository.as_uri(), address)
    done = run_source(python, source, content, [stand_in, *PACKAGES])
    assert f"ValueError: REPO must be the https address of this repository, got {address!r}\n" in done.stderr
    assert "fatal" in done.stderr  # git's own words
    assert list(content.iterdir()) == []


def make_wheel(folder, name):
    """Write a package that asks for a jax that nobody has."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: jax>999\n"
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.mark.parametrize("there, installed", [([], ["jaxopt", "optax"]), (["optax"], ["jaxopt"])])
def test_the_setup_cell_installs_what_is_missing_and_no_jax(there, installed, repository, stand_in, content, tmp_path):
    source = setup_cell(repository / "notebooks" / NOTEBOOKS[0]).source
    python = make_python(tmp_path / "python")
    for name in ("jaxopt", "optax"):
        make_wheel(tmp_path / "wheels", name)
    packages = tmp_path / "packages"  # pip, and what is there already
    packages.mkdir()
    (packages / "pip").symlink_to(Path(pip.__file__).parent)
    for name in there:
        (packages / f"{name}.py").touch()
    source = f"import os\nos.environ.update(PIP_NO_INDEX='1', PIP_FIND_LINKS={str(tmp_path / 'wheels')!r})\n{source}"
    done = run_source(python, f"{source}\nimport jaxopt, optax", content, [stand_in, packages])
    assert done.returncode == 0, done.stderr
    assert sorted(path.stem for path in (tmp_path / "python").rglob("site-packages/*.py")) == installed

    shutil.rmtree(tmp_path / "wheels")
    again = make_python(tmp_path / "again")
    done = run_source(again, source, content, [stand_in, packages])
    assert "CalledProcessError" in done.stderr and "'--no-deps', 'jaxopt'" in done.stderr


def test_make_colab_writes_one_line_of_each_notebook_and_a_badge(tmp_path):
    root = copy(tmp_path, "README.md", "notebooks")
    elsewhere, address = "file:///somewhere/else", "https://github.com/owner/name"
    assert set_address(root, elsewhere) == 0
    before = files_of(root)
    assert set_address(root, address) == 5
    after = files_of(root)
    assert after.keys() == before.keys()
    for name in NOTEBOOKS:
        assert (
            after[name] == before[name].replace(f'REPO = \\"{elsewhere}\\"', f'REPO = \\"{address}\\"') != before[name]
        )
    link = "https://colab.research.google.com/github/owner/name/blob/main/notebooks/"
    assert [after["README.md"].count(f"]({link}{name}) |") for name in NOTEBOOKS] == [1] * 5

    set_address(root, address)
    assert files_of(root) == after
    assert set_address(root, "https://github.com/another/one") == 5
    assert files_of(root)["README.md"] == after["README.md"].replace("/owner/name/", "/another/one/")
    set_address(root, elsewhere)
    assert files_of(root) == before


def test_make_colab_leaves_every_file_when_one_notebook_has_no_setup_cell(tmp_path):
    root = copy(tmp_path, "README.md", "notebooks")
    last = root / "notebooks" / NOTEBOOKS[-1]
    last.write_text(last.read_text(encoding="utf-8").replace('"colab"', '"other"'), encoding="utf-8")
    before = files_of(root)
    with pytest.raises(ValueError, match=f"{last.name} must have one cell tagged colab .* got 0"):
        set_address(root, "https://github.com/owner/name")
    assert files_of(root) == before


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/owner/name\n",
        "https://github.com/owner/name.git/",
        "https://user:secret@github.com/owner/name.git",
        "git@github.com:owner/name.git",
        "ssh://git@github.com/owner/name.git",
    ],
)
def test_an_address_becomes_the_one_that_anybody_can_clone(address):
    assert normalize(address) == "https://github.com/owner/name"


@pytest.mark.parametrize(
    "address",
    [
        "/home/me/name",
        "http://github.com/owner/name",
        "https://github.com",
        'https://github.com/owner/na"me',
        "file://a",
    ],
)
def test_an_address_that_nobody_can_clone_is_refused(address):
    with pytest.raises(ValueError, match=f"must be like https://github.com/OWNER/NAME, got '{address}'"):
        normalize(address)


def test_make_colab_asks_git_for_origin(tmp_path):
    run(["git", "init", "--quiet"], tmp_path)
    with pytest.raises(ValueError, match="there is no git remote origin"):
        origin(tmp_path)
    run(["git", "remote", "add", "origin", "git@github.com:owner/name.git"], tmp_path)
    assert normalize(origin(tmp_path)) == "https://github.com/owner/name"
