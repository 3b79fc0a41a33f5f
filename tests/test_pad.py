"""What `show_pad` puts into a notebook: the layers as they are, nothing from elsewhere, and what it refuses."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest

from helpers import pad


def draw_layers():
    rng = np.random.default_rng(0)
    return [{"w": rng.normal(size=(d, h)), "b": rng.normal(size=h)} for d, h in ((784, 6), (6, 10))]


@pytest.fixture
def show(monkeypatch):
    """Call `show_pad`; return the HTML that it displays."""
    shown = []
    monkeypatch.setattr(pad, "display", lambda data, raw: shown.append(data))

    def show(layers):
        pad.show_pad(layers, np.zeros(784))
        return shown.pop()["text/html"]

    return show


def test_pad_holds_the_layers_in_float16(show):
    layers = draw_layers()
    encoded = json.loads(re.search(r'startPad\(root, (\[{"w".*}\])\)', show(layers)).group(1))
    decoded = [{name: base64.b64decode(text) for name, text in layer.items()} for layer in encoded]
    assert decoded == [{name: array.astype("<f2").tobytes() for name, array in layer.items()} for layer in layers]


def test_pads_have_names_of_their_own_and_need_no_other_host(show):
    pads = [show(draw_layers()) for _ in range(2)]
    names = [re.search('id="(pad-[0-9a-f]+)"', html).group(1) for html in pads]
    assert names[0] != names[1]
    assert set(re.findall(r"\w+://[^\"' ]+", pads[0])) == {"http://www.w3.org/2000/svg"}  # only a name


@pytest.mark.parametrize("hidden, answer, share", [(-1, 4, 88), (1, 7, 100)])
def test_picture_says_what_the_network_answers(show, hidden, answer, share):
    """The hidden units add to the 7 where they are positive, and ReLU keeps them from taking away from it."""
    w, b = np.zeros((6, 10)), np.zeros(10)
    w[:, 7], w[:, 2], b[4] = 5, -5, np.log(9 * 0.88 / 0.12)
    layers = [{"w": np.zeros((784, 6)), "b": np.full(6, hidden)}, {"w": w, "b": b}]
    image = re.search(r'<img alt="([^"]+)" src="data:image/png;base64,([^"]+)">', show(layers))
    assert image.group(1).endswith(f"the network answers {answer}, with {share}%.")
    assert base64.b64decode(image.group(2)).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "layer, wrong, words",
    [
        (0, {"w": np.zeros((783, 6))}, "must lead from 784 pixels to 10 digits"),
        (1, {"w": np.zeros((5, 10))}, "must lead from"),
        (1, {"b": np.zeros(1)}, "must lead from"),
        (1, {"w": np.zeros((6, 11)), "b": np.zeros(11)}, "must lead from"),
        *((0, {"w": np.full((784, 6), value)}, "must be finite in float16") for value in (1e5, np.nan)),
    ],
)
def test_layers_that_the_pad_cannot_hold(show, layer, wrong, words):
    layers = draw_layers()
    layers[layer] |= wrong
    with pytest.raises(ValueError, match=words):
        show(layers)


def test_notebook_05_stores_the_pad_of_this_script():
    """Its cell is not compared, because the weights differ from machine to machine."""
    cells = json.loads(Path("notebooks/05_mnist_pytree.ipynb").read_text(encoding="utf-8"))["cells"]
    data = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    shown = "".join("".join(each.get("text/html", "")) for each in data)
    assert pad.SCRIPT.read_text(encoding="utf-8") in shown, "store notebook 05 again: make store"
