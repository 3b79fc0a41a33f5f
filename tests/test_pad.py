"""What `show_pad` puts into a notebook: the layers as they are, nothing from elsewhere, and what it refuses."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest

from helpers import pad

SIZES = (784, 6, 10)


@pytest.fixture
def layers():
    rng = np.random.default_rng(0)
    return [
        {"w": rng.normal(size=(d, h)).astype(np.float32), "b": rng.normal(size=h).astype(np.float32)}
        for d, h in zip(SIZES, SIZES[1:])
    ]


@pytest.fixture
def show(monkeypatch):
    """Call `show_pad`; return the HTML that it displays."""
    shown = []
    monkeypatch.setattr(pad, "display", lambda data, raw: shown.append(data))

    def show(layers):
        pad.show_pad(layers, np.zeros(784))
        return shown.pop()["text/html"]

    return show


def test_pad_holds_the_layers_in_float16(show, layers):
    encoded = json.loads(re.search(r'startPad\(root, (\[{"w".*}\])\)', show(layers)).group(1))
    assert [list(layer) for layer in encoded] == [["w", "b"]] * len(layers)
    for layer, text in zip(layers, encoded):
        for name, array in layer.items():
            decoded = np.frombuffer(base64.b64decode(text[name]), "<f2").reshape(array.shape)
            assert np.array_equal(decoded, array.astype(np.float16))


def test_pad_names_no_other_host(show, layers):
    assert set(re.findall(r"\w+://[^\"' ]+", show(layers))) == {"http://www.w3.org/2000/svg"}  # a name, not an address


def test_pads_have_names_of_their_own(show, layers):
    names = [re.search('id="(pad-[0-9a-f]+)"', show(layers)).group(1) for _ in range(2)]
    assert names[0] != names[1]


def test_picture_is_small_and_says_what_the_network_answers(show, layers):
    layers[-1] = {"w": np.zeros((6, 10)), "b": 20.0 * (np.arange(10) == 4)}
    image = re.search(r'<img alt="([^"]+)" src="data:image/png;base64,([^"]+)">', show(layers))
    assert image.group(1).endswith("the network answers 4, with 100%.")
    picture = base64.b64decode(image.group(2))
    assert picture.startswith(b"\x89PNG") and len(picture) < 30_000


@pytest.mark.parametrize(
    "sizes", [(783, 6, 10), (784, 6, 9), (784, 10, 10, 11)], ids=["pixels", "digits", "more digits"]
)
def test_layers_that_do_not_lead_from_pixels_to_digits(show, sizes):
    wrong = [{"w": np.zeros((d, h)), "b": np.zeros(h)} for d, h in zip(sizes, sizes[1:])]
    with pytest.raises(ValueError, match="^layers must lead from 784 pixels to 10 digits, got w of shapes"):
        show(wrong)


@pytest.mark.parametrize("name, shape", [("w", (5, 10)), ("b", (9,)), ("b", (1,)), ("w", (6, 1))])
def test_layers_that_do_not_chain(show, layers, name, shape):
    layers[-1][name] = np.zeros(shape)
    with pytest.raises(ValueError, match="^layers must lead from 784 pixels to 10 digits, got w of shapes"):
        show(layers)


@pytest.mark.parametrize("value", [1e5, -1e5, np.inf, np.nan])
def test_numbers_that_float16_does_not_hold(show, layers, value):
    layers[0]["w"][3, 2] = value
    with pytest.raises(ValueError, match="^layers must be finite in float16, which ends at 65504$"):
        show(layers)


def test_notebook_05_stores_the_pad_of_this_script():
    """Its cell is not compared, since the weights differ from machine to machine."""
    cells = json.loads(Path("notebooks/05_mnist_pytree.ipynb").read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    shown = ["".join(output.get("data", {}).get("text/html", "")) for output in outputs]
    shown = [html for html in shown if "startPad" in html]
    assert len(shown) == 1
    assert pad.SCRIPT.read_text(encoding="utf-8") in shown[0], "store notebook 05 again: make store"
