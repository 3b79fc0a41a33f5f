"""The pad: its arithmetic against NumPy, and digits of the test set drawn on it with mouse, keys and finger."""

import base64
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import nbformat
import numpy as np
import optax
import pytest
from scipy import ndimage
from test_lab import lab  # noqa: F401, a fixture

from helpers import pad
from helpers.datasets import load_mnist
from helpers.training import fit, make_trainer

NOTEBOOK = Path("notebooks/05_mnist_pytree.ipynb")
EMPTY = "Draw a digit"
RING = [(-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)]
PICTURES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
# From a move of the mouse to the change of the bars that answers it, in ms.
MEASURE = """(answers) => {
  window.delays = [];
  let moved = null;
  addEventListener("pointermove", (event) => (moved ??= event.timeStamp), true);
  const answered = () => {
    if (moved !== null) window.delays.push(performance.now() - moved);
    moved = null;
  };
  new MutationObserver(answered).observe(answers, { subtree: true, attributes: true, childList: true });
}"""


# --- A network, digits, and the strokes that draw them ---


@pytest.fixture(scope="module")
def mnist():
    return load_mnist()


def predict(layers, x):
    for layer in layers:
        z = x @ layer["w"] + layer["b"]
        x = jax.nn.relu(z)
    return z


@pytest.fixture(scope="module")
def layers(mnist):
    """The network of notebook 05, trained to 98%."""
    train, (x_test, y_test) = mnist
    epochs, batch_size, sizes = 3, 128, (784, 256, 128, 10)
    keys = jax.random.split(jax.random.key(0), len(sizes))
    params = [
        {"w": jax.random.normal(key, (d, h)) * (2 / d) ** 0.5, "b": jnp.zeros(h)}
        for key, d, h in zip(keys, sizes, sizes[1:])
    ]

    def loss_fn(params, batch):
        x, y = batch
        return optax.softmax_cross_entropy_with_integer_labels(predict(params, x), y).mean()

    schedule = optax.cosine_decay_schedule(2e-3, epochs * len(train[0]) // batch_size)
    init, step = make_trainer(loss_fn, optax.adam(schedule))
    state, _ = fit(keys[-1], init(params), train, step=step, epochs=epochs, batch_size=batch_size)
    assert (predict(state.params, x_test).argmax(axis=1) == y_test).mean() > 0.975
    return jax.tree.map(np.asarray, state.params)


@pytest.fixture(scope="module")
def digits(mnist):
    """The strokes of the first image of each digit in the test set."""
    _, (x, y) = mnist
    return [trace(x[np.argmax(y == digit)].reshape(28, 28)) for digit in range(10)]


def near(pixel, pixels):
    return [step for i, j in RING if (step := (pixel[0] + i, pixel[1] + j)) in pixels]


def trace(image):
    """Return the strokes of a digit: lists of the pixels (row, column) along the middle of its lines."""
    rest = thin(image > 0.5)
    drawn, strokes = set(), []
    while rest:
        start = min(rest, key=lambda pixel: len(near(pixel, rest)))  # an end, where there is one
        stroke = [*near(start, drawn)[:1], start]
        rest.remove(start)
        while ahead := near(stroke[-1], rest):
            stroke.append(ahead[0])
            rest.remove(ahead[0])
        stroke += near(stroke[-1], (drawn | set(stroke)) - set(stroke[-2:]))[:1]  # closes a loop
        drawn |= set(stroke)
        strokes.append(stroke)
    return strokes


def thin(ink):
    """Return the pixels that are left when all are taken away, from the edge inward, that nothing hangs on."""
    depth = ndimage.distance_transform_edt(ink)
    pixels = {tuple(pixel) for pixel in np.argwhere(ink).tolist()}
    before = None
    while before != len(pixels):
        before = len(pixels)
        for row, column in sorted(pixels, key=lambda pixel: depth[pixel]):
            ring = [(row + i, column + j) in pixels for i, j in RING]
            if sum(ring) > 1 and sum(a < b for a, b in zip(ring, ring[1:] + ring[:1])) == 1:
                pixels.remove((row, column))
    return pixels


# --- The pad's functions by themselves ---


@pytest.fixture
def script(chromium):
    """A blank page that knows the functions of pad.js."""
    page = chromium.new_page()
    page.add_script_tag(path=pad.SCRIPT)
    yield page
    page.close()


def encode(array):
    return base64.b64encode(array.astype("<f2").tobytes()).decode()


def test_every_number_of_float16_is_decoded(script):
    numbers = np.arange(2**16, dtype=np.uint16).view(np.float16)
    numbers = numbers[np.isfinite(numbers)]
    decoded = np.array(script.evaluate("text => Array.from(decode(text))", encode(numbers)))
    assert np.array_equal(decoded, numbers) and np.array_equal(np.signbit(decoded), np.signbit(numbers))


def test_probabilities_are_those_of_the_network(script, layers, mnist):
    images = mnist[1][0][:50]
    encoded = [{name: encode(array) for name, array in layer.items()} for layer in layers]
    probabilities = script.evaluate(
        """([encoded, images]) => {
          const layers = encoded.map(({ w, b }) => ({ w: decode(w), b: decode(b) }));
          return images.map((image) => Array.from(predict(layers, Float32Array.from(image))));
        }""",
        [encoded, images.tolist()],
    )
    rounded = jax.tree.map(lambda array: array.astype(np.float16).astype(np.float32), layers)
    assert np.allclose(probabilities, jax.nn.softmax(predict(rounded, images)), atol=1e-3)


@pytest.mark.parametrize("scale, corner", [(9, 14), (4, 10), (2, 200)])
def test_a_drawing_is_prepared_as_mnist_prepared_its_own(script, digits, mnist, scale, corner):
    points = [[[[c * scale + corner, r * scale + corner] for r, c in stroke] for stroke in digit] for digit in digits]
    ours = script.evaluate("all => all.map((strokes) => Array.from(prepare(strokes)))", points)
    for images in (np.reshape(ours, (-1, 28, 28)), mnist[1][0][:1000].reshape(-1, 28, 28)):
        for image in images:
            rows, columns = np.nonzero(image)
            assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20)
            assert np.abs(np.subtract(ndimage.center_of_mass(image), 14)).max() < 0.51


# --- The pad in a page ---


@pytest.fixture(scope="module")
def html(layers, mnist):
    with pytest.MonkeyPatch.context() as patch:
        shown = []
        patch.setattr(pad, "display", lambda data, raw: shown.append(data["text/html"]))
        pad.show_pad(layers, mnist[1][0][0])  # a 7
    return shown[0]


@pytest.fixture
def open_page(chromium, tmp_path):
    """Open a page; at the end, see that it loaded nothing from elsewhere and had no error."""
    pages, requests, errors = [], [], []

    def open_page(address, **options):
        page = chromium.new_page(**options)
        pages.append(page)
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert [url for url in requests if not url.startswith(("file:", "data:", "http://127.0.0.1"))] == []
    assert errors == []


@pytest.fixture
def open_html(open_page, tmp_path):
    """Open a plain page with this in it."""

    def open_html(html, **options):
        path = tmp_path / "page.html"
        path.write_text(f'<!doctype html><meta charset="utf-8"><title>Pad</title>{html}', encoding="utf-8")
        return open_page(path.as_uri(), **options)

    return open_html


@pytest.fixture
def page(open_html, html):
    return open_html(html, viewport={"width": 800, "height": 600})


def draw(page, digit, scale=9, corner=14):
    """Draw a digit with the mouse, each pixel of MNIST `scale` wide, the first of them at `corner`."""
    page.locator(".paper").first.scroll_into_view_if_needed()
    box = page.locator(".paper").first.bounding_box()
    for stroke in digit:
        places = [(box["x"] + corner + column * scale, box["y"] + corner + row * scale) for row, column in stroke]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places:
            page.mouse.move(*place)
        page.mouse.up()


def read(page):
    """Return what the pad says, once it has drawn two more pictures."""
    page.evaluate(PICTURES)
    return page.locator(".answer").first.inner_text()


def draw_all(page, digits):
    """Draw one digit after the other; return how many are read rightly."""
    right = 0
    for label, digit in enumerate(digits):
        draw(page, digit)
        assert re.fullmatch(r"\d, \d+%", read(page))
        right += read(page).startswith(f"{label},")
        page.get_by_role("button", name="Clear").first.click()
        assert read(page) == EMPTY
    return right


def test_nine_of_ten_digits_are_right_and_the_bars_follow_within_50_ms(page, digits):
    page.locator(".answers").evaluate(MEASURE)
    assert draw_all(page, digits) >= 9
    delays = page.evaluate("delays")
    print(f"\n{len(delays)} moves, from move to bars {np.median(delays):.0f} ms", end="")
    assert np.percentile(delays, 95) < 50


def test_bars_show_what_the_answer_says(page, digits):
    draw(page, digits[3])
    answer = read(page)
    widths = page.locator(".bar").evaluate_all("all => all.map((bar) => parseFloat(bar.style.width))")
    assert answer == f"{np.argmax(widths)}, {max(widths):.0f}%" and np.isclose(sum(widths), 100, atol=0.01)
    assert page.locator(".best").inner_text().split() == answer.split(", ")


def test_a_small_digit_in_the_corner_needs_the_preparation(page, digits):
    checkbox = page.get_by_label("prepare as MNIST did")
    prepared = plain = 0
    for label, digit in enumerate(digits):
        draw(page, digit, scale=4, corner=0)
        prepared += read(page).startswith(f"{label},")
        checkbox.uncheck()
        plain += read(page).startswith(f"{label},")
        checkbox.check()
        page.get_by_role("button", name="Clear").click()
    assert prepared >= 8 and plain <= 3


def test_keys_draw(page):
    page.keyboard.press("Tab")
    assert page.locator(".paper").evaluate("e => e.matches(':focus-visible')")
    assert page.locator(".cursor").evaluate("e => getComputedStyle(e).visibility") == "visible"
    for way, (before, each, after) in {"Shift": ("", "Shift+ArrowDown", ""), "Space": (" ", "ArrowDown", " ")}.items():
        for key in [*["ArrowUp"] * 8, before, *[each] * 16, after, "ArrowLeft"]:
            if key:
                page.keyboard.press(key)
        assert read(page).startswith("1,"), way
        assert len(re.findall("M", page.locator(".ink").get_attribute("d"))) == 1
        page.keyboard.press("Delete")
        assert read(page) == EMPTY
    page.keyboard.press("Tab")
    assert page.get_by_role("button", name="Clear").evaluate("e => e.matches(':focus')")
    assert page.evaluate("scrollY") == 0


def test_a_finger_draws_and_does_not_scroll(open_html, html, digits):
    options = {"viewport": {"width": 390, "height": 600}, "has_touch": True, "is_mobile": True}
    page = open_html(f'<meta name="viewport" content="width=device-width">{html}<p style="height: 2000px">', **options)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    box = page.locator(".paper").bounding_box()
    session = page.context.new_cdp_session(page)
    for stroke in digits[7]:
        touches = [[{"x": box["x"] + 14 + 9 * column, "y": box["y"] + 14 + 9 * row}] for row, column in stroke]
        for kind, points in zip(["touchStart", *["touchMove"] * len(touches)], touches):
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert read(page).startswith("7,") and page.evaluate("scrollY") == 0


def test_two_pads_live_in_one_page_and_leave_no_name_behind(open_html, html, layers, digits):
    other = html.replace('id="pad-', 'id="pad-0').replace('"#pad-', '"#pad-0')
    page = open_html(html + other + html)  # the third has the name of the first, as a second view of an output has
    assert page.locator(".paper").count() == 3 and page.locator("img").count() == 0
    draw(page, digits[2])
    read(page)
    assert [text != EMPTY for text in page.locator(".answer").all_inner_texts()] == [True, False, False]
    assert page.evaluate("typeof startPad + typeof PEN") == "undefinedundefined"


def test_without_script_a_picture_stands_there(open_html, html):
    page = open_html(html, java_script_enabled=False)
    assert page.get_by_role("img", name="the network answers 7").is_visible()


# --- The pad of notebook 05, as it is stored ---


@pytest.fixture(scope="module")
def stored():
    cells = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs if output.output_type == "display_data"]
    outputs = [output for output in outputs if "startPad" in output.data.get("text/html", "")]
    assert len(outputs) == 1, "notebook 05 must hold one pad"
    return outputs[0]


def test_pad_on_the_site(open_page, digits, stored):
    page = open_page(Path("build/html/notebooks/05_mnist_pytree.html").resolve().as_uri())
    assert draw_all(page, digits) >= 9


def test_pad_in_jupyterlab(lab, open_page, digits, stored, tmp_path):  # noqa: F811
    """First as a notebook from elsewhere, whose scripts JupyterLab does not run; then run."""
    source = "from IPython.display import display\ndisplay({'text/html': open('pad.html').read()}, raw=True)"
    cell = nbformat.v4.new_code_cell(source, outputs=[stored])
    (tmp_path / "pad.html").write_text(stored.data["text/html"], encoding="utf-8")
    notebook = nbformat.read(NOTEBOOK, as_version=4) | {"cells": [cell]}
    nbformat.write(nbformat.from_dict(notebook), tmp_path / "pad.ipynb")
    page = open_page(lab("pad.ipynb"), viewport={"width": 1440, "height": 900})
    page.locator("#jp-main-statusbar", has_text="| Idle").wait_for(timeout=120_000)
    assert page.get_by_role("img", name="the network answers 7").is_visible() and not page.locator(".paper").count()

    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.locator(".paper").wait_for()
    assert draw_all(page, digits) >= 9
    page.locator(".paper").click()
    for key in ["Delete", *["ArrowUp"] * 4, *["Shift+ArrowDown"] * 12]:  # keys that JupyterLab has uses for
        page.keyboard.press(key)
    assert read(page).startswith("1,")
