"""The pad of notebook 05 as it is stored: its arithmetic against NumPy, and digits drawn by mouse, keys and finger."""

import base64
import json
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

from helpers import pad
from helpers.datasets import load_mnist
from tools import ROOT

EMPTY = "Draw a digit"
# The corners of each digit's strokes, in a square of 20 units.
DIGITS = [
    [[(10, 1), (5, 4), (3, 10), (5, 16), (10, 19), (15, 16), (17, 10), (15, 4), (10, 1)]],
    [[(11, 1), (10, 10), (9, 19)]],
    [[(4, 5), (6, 2), (11, 1), (15, 4), (14, 9), (9, 14), (4, 18), (9, 18), (17, 18)]],
    [[(4, 3), (10, 1), (14, 4), (13, 8), (8, 10), (13, 11), (15, 15), (11, 19), (4, 17)]],
    [[(5, 1), (4, 10), (15, 10)], [(14, 2), (13, 19)]],
    [[(15, 2), (6, 2), (5, 9), (11, 8), (15, 12), (13, 17), (8, 19), (3, 17)]],
    [[(13, 1), (7, 6), (4, 13), (6, 18), (11, 19), (14, 15), (11, 11), (5, 13)]],
    [[(3, 3), (9, 2), (16, 2), (12, 9), (9, 19)]],
    [[(10, 9), (5, 5), (9, 1), (14, 4), (10, 9), (5, 14), (9, 19), (14, 15), (10, 9)]],
    [[(14, 6), (10, 2), (5, 5), (8, 9), (13, 7), (14, 3), (13, 12), (11, 19)]],
]
PICTURES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture(scope="module")
def html():
    cells = nbformat.read(ROOT / "notebooks" / "05_mnist_pytree.ipynb", as_version=4).cells
    outputs = [output.get("data", {}).get("text/html", "") for cell in cells for output in cell.get("outputs", [])]
    (html,) = [text for text in outputs if "startPad" in text]
    return html


@pytest.fixture
def open_html(open_page, tmp_path):
    def open_html(html, **options):
        path = tmp_path / "page.html"
        path.write_text(f'<!doctype html><meta charset="utf-8"><title>Pad</title>{html}', encoding="utf-8")
        return open_page(path.as_uri(), **options)

    return open_html


@pytest.fixture
def script(open_html):
    """A blank page that knows the functions of pad.js."""
    page = open_html("")
    page.add_script_tag(path=pad.SCRIPT)
    return page


def draw(page, digit, scale=10, corner=40):
    """Draw a digit with the mouse, `scale` pixels to a unit."""
    page.locator(".paper").first.scroll_into_view_if_needed()
    box = page.locator(".paper").first.bounding_box()
    for stroke in digit:
        places = [(box["x"] + corner + x * scale, box["y"] + corner + y * scale) for x, y in stroke]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places:
            page.mouse.move(*place, steps=4)
        page.mouse.up()


def read(page):
    """Return what the pad says, once the page has been drawn twice."""
    page.evaluate(PICTURES)
    return page.locator(".answer").first.inner_text()


def test_every_number_of_float16_is_decoded(script):
    numbers = np.arange(2**16, dtype="<u2").view("<f2")
    numbers = numbers[np.isfinite(numbers)]
    decoded = script.evaluate("text => Array.from(decode(text))", base64.b64encode(numbers.tobytes()).decode())
    assert np.array_equal(decoded, numbers) and np.array_equal(np.signbit(decoded), np.signbit(numbers))


def test_probabilities_are_those_of_the_network(script, html):
    encoded = json.loads(re.search(r'startPad\(root, (\[{"w".*}\])\)', html).group(1))
    images = z = np.asarray(load_mnist()[1][0][:50])
    for i, layer in enumerate(encoded):
        w, b = (np.frombuffer(base64.b64decode(layer[name]), "<f2").astype(np.float32) for name in "wb")
        z = (np.maximum(z, 0) if i else z) @ w.reshape(-1, len(b)) + b
    expected = np.exp(z - z.max(axis=1, keepdims=True))
    probabilities = script.evaluate(
        """([encoded, images]) => {
          const layers = encoded.map(({ w, b }) => ({ w: decode(w), b: decode(b) }));
          return images.map((image) => Array.from(predict(layers, Float32Array.from(image))));
        }""",
        [encoded, images.tolist()],
    )
    assert np.allclose(probabilities, expected / expected.sum(axis=1, keepdims=True), atol=1e-4)


def test_a_drawing_is_prepared_as_mnist_prepared_its_own(script):
    strokes = [[[[3 * x + 200, 3 * y + 9] for x, y in stroke] for stroke in digit] for digit in DIGITS]
    images = np.reshape(script.evaluate("all => all.map((each) => Array.from(prepare(each)))", strokes), (-1, 28, 28))
    for image in images:  # 20 pixels high, and the center of mass within half a pixel of the middle
        assert np.ptp(np.nonzero(image)[0]) + 1 in (19, 20)
        assert all(abs((image * grid).sum() / image.sum() - 14) < 0.51 for grid in np.indices((28, 28)))


@pytest.mark.parametrize("scale, corner", [(10, 40), (5, 10)])
def test_digits_drawn_on_the_site_are_read_as_the_bars_show(open_page, scale, corner):
    page = open_page(Path("build/html/notebooks/05_mnist_pytree.html").resolve().as_uri())
    right = 0
    for label, digit in enumerate(DIGITS):
        draw(page, digit, scale, corner)
        answer = read(page)
        widths = page.locator(".bar").evaluate_all("all => all.map((bar) => parseFloat(bar.style.width))")
        assert answer == f"{np.argmax(widths)}, {max(widths):.0f}%" and abs(sum(widths) - 100) < 0.01
        right += answer.startswith(f"{label},")
        page.get_by_role("button", name="Clear").click()
        assert read(page) == EMPTY
    assert right >= 8


def test_keys_draw(open_html, html):
    page = open_html(html)
    page.keyboard.press("Tab")
    assert page.locator(".paper").evaluate("e => e.matches(':focus-visible')")
    for keys in (["Shift+ArrowDown"] * 16, [" ", *["ArrowDown"] * 16]):
        for key in ["ArrowUp"] * 8 + keys:
            page.keyboard.press(key)
        assert read(page).startswith("1,"), keys
        page.keyboard.press("Delete")
        assert read(page) == EMPTY
    assert page.evaluate("scrollY") == 0


def test_a_finger_draws_and_does_not_scroll(open_html, html):
    options = {"viewport": {"width": 390, "height": 600}, "has_touch": True, "is_mobile": True}
    page = open_html(f'<meta name="viewport" content="width=device-width">{html}<p style="height: 2000px">', **options)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    box = page.locator(".paper").bounding_box()
    session = page.context.new_cdp_session(page)
    for kind, y in [("touchStart", 40), *(("touchMove", y) for y in range(60, 260, 20)), ("touchEnd", None)]:
        points = [] if y is None else [{"x": box["x"] + 140, "y": box["y"] + y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert read(page).startswith("1,") and page.evaluate("scrollY") == 0


def test_two_pads_live_in_one_page_and_leave_no_name_behind(open_html, html):
    page = open_html(html + html.replace('id="pad-', 'id="pad-0').replace('"#pad-', '"#pad-0'))
    assert page.locator(".paper").count() == 2 and page.locator("img").count() == 0
    draw(page, DIGITS[2])
    read(page)
    assert [text != EMPTY for text in page.locator(".answer").all_inner_texts()] == [True, False]
    assert page.evaluate("typeof startPad + typeof PEN") == "undefinedundefined"


def test_without_scripts_a_picture_stands_there(open_html, html):
    page = open_html(html, java_script_enabled=False)
    assert page.get_by_role("img", name="the network answers 7").is_visible()
