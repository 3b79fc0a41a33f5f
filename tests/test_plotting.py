"""Each plot draws what it was given on the axes it was given, and returns them; what is shown has its alt text."""

import base64
import io
import re
from itertools import combinations

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from ipywidgets import FloatSlider, IntSlider
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.transforms import Bbox
from PIL import Image

from helpers import plotting
from helpers.plotting import CLASS_COLORS, CLASS_MAP, plot_decision_boundary, plot_images, plot_losses, plot_points

matplotlib.use("agg")
X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([0, 1, 1, 0])


@pytest.fixture(autouse=True)
def style():
    with plt.style.context("helpers.figures"):
        yield
    plt.close("all")


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    fig.canvas.draw()  # a figure that cannot be drawn fails here


@pytest.fixture
def shown(monkeypatch):
    """Collect what is displayed, and how."""
    calls = []
    monkeypatch.setattr("helpers.plotting.display", lambda *objects, **options: calls.append((*objects, options)))
    return calls


def test_plot_points_gives_each_class_its_points_and_color(ax):
    assert plot_points(x=X.tolist(), y=Y.tolist(), ax=ax) is ax
    for k, points in enumerate(ax.collections):
        np.testing.assert_array_equal(points.get_offsets(), X[Y == k])
        assert tuple(points.get_facecolor()[0]) == to_rgba(CLASS_COLORS[k])
        assert tuple(points.get_edgecolor()[0]) == to_rgba("white") and points.get_linewidth() > 0
        assert points.get_zorder() > 2 and points.get_sizes() == [44]  # above every line
    circle, triangle = (points.get_paths()[0].vertices for points in ax.collections)
    assert len(circle) != len(triangle)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$x_1$", "$x_2$")
    assert [text.get_text() for text in ax.legend().get_texts()] == ["class 0", "class 1"]


def test_plot_points_hollow_draws_them_white_inside(ax):
    plot_points(X, Y, ax=ax)
    filled, _ = ax.collections
    plot_points(X, Y, ax=ax, hollow=True, label="test", size=110)
    for k, points in enumerate(ax.collections[2:]):
        assert points.get_sizes() == [110]
        assert tuple(points.get_facecolor()[0]) == to_rgba("white")
        assert tuple(points.get_edgecolor()[0]) == to_rgba(CLASS_COLORS[k])
        assert filled.get_linewidth() < points.get_linewidth() < 2  # the edge alone has the color
        assert points.get_label() == f"test {k}"


def test_plot_decision_boundary_draws_the_contour_where_the_model_says_a_half(ax):
    # The model says a half on the line x1 = 0.25, whatever x2 is.
    def predict(x):
        return 1 / (1 + np.exp(8 * (0.25 - x[:, 0])))

    assert plot_decision_boundary(predict=predict, x=(X * [1, 2] + [0, 3]).tolist(), y=Y, ax=ax) is ax
    filled, contour = ax.collections[:2]
    half_x1, half_x2 = np.concatenate([path.vertices for path in contour.get_paths()]).T
    np.testing.assert_allclose(half_x1, 0.25, atol=1e-3)
    assert (half_x2.min(), half_x2.max()) == (2.5, 5.5)
    assert tuple(contour.get_edgecolor()[0]) == to_rgba("black") and 1 <= contour.get_linewidth() < 2
    assert filled.get_clim() == (0, 1) and 0.5 in filled.levels and filled.get_cmap() is CLASS_MAP
    assert filled.extend == "both"  # a score below 0 or above 1 has a color too
    assert ax.get_xlim() == (-0.5, 1.5) and ax.get_ylim() == (2.5, 5.5)
    (bar,) = set(ax.figure.axes) - {ax}
    assert bar.get_ylabel() == "P(class 1)" and bar.get_yticks().tolist() == [0, 0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize("low, high", [(0.5, 0.5), (0.5, 0.9), (0.1, 0.5), (0.6, 0.9), (0.1, 0.4)])
def test_plot_decision_boundary_of_a_model_that_never_changes_its_mind(ax, low, high):
    plot_decision_boundary(lambda x: np.linspace(low, high, len(x)), X, 0 * Y, ax=ax, label=None)
    assert len(ax.collections) == 3  # the colors and two classes of points, of which one is empty, and no contour
    assert ax.figure.axes == [ax]  # and no bar


def test_plot_losses_draws_the_losses_from_one_on(ax):
    assert plot_losses(losses=[4.0, 2.0, 1.0], ax=ax, label="train", per="epoch", linestyle="--") is ax
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xydata(), [[1, 4], [2, 2], [3, 1]])
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("epoch", "loss", "log")
    assert (line.get_label(), line.get_linestyle()) == ("train", "--")
    plot_losses([4.0, 2.0, 3.0], ax=ax, yscale="linear")
    assert (ax.get_xlabel(), ax.get_yscale()) == ("step", "linear")


@pytest.mark.parametrize("shape", [(3, 2), ()])
def test_plot_losses_refuses_a_table(ax, shape):
    with pytest.raises(ValueError, match=f"^losses must have one axis, got shape {re.escape(str(shape))}"):
        plot_losses(np.ones(shape), ax=ax)


def test_plot_images_shows_the_images_and_marks_the_mistake():
    _, axes = plt.subplots(2, 2)
    images = np.random.default_rng(0).uniform(0.25, 0.75, (4, 9))  # neither paper nor full ink
    labels, predictions = np.array([7, 3, 8, 1]), np.array([7, 5, 6, 1])
    assert plot_images(images=images, labels=labels, predictions=predictions, axes=axes) is axes
    for ax, image in zip(axes.flat, images):
        (picture,) = ax.images
        np.testing.assert_array_equal(picture.get_array(), image.reshape(3, 3))
        assert picture.get_clim() == (0, 1) and not ax.axison
        np.testing.assert_array_equal(picture.to_rgba(np.array([0.0, 1.0])), [to_rgba("white"), to_rgba("black")])
    titles = [ax.title for ax in axes.flat]
    assert [title.get_text() for title in titles] == ["7, is 7", "5, is 3", "6, is 8", "1, is 1"]
    assert [title.get_color() == titles[0].get_color() for title in titles] == [True, False, False, True]
    assert [title.get_fontweight() == "bold" for title in titles] == [False, True, True, False]  # to see without red


def test_plot_images_without_predictions_shows_the_labels():
    _, axes = plt.subplots(1, 2)
    plot_images(np.zeros((2, 3, 3)), [7, 3], axes=axes)
    assert [ax.get_title() for ax in axes] == ["7", "3"]


def test_plot_thread_lights_the_boxes_that_have_a_note():
    fig, ax = plt.subplots(figsize=(10, 1.7))
    notes = {"grads": "a table each", "loss": "RMSE"}
    assert plotting.plot_thread(notes, ax=ax) is ax and not ax.axison
    fig.canvas.draw()
    texts = {text.get_text(): text for text in ax.texts if text.get_text()}
    boxes = [texts[name] for name in plotting.THREAD]
    for box, lit in zip(boxes, [False, True, True, False, False]):
        assert (box.get_fontweight() == "bold") == lit  # for those who see no yellow
        assert (to_rgb(box.get_bbox_patch().get_facecolor()) == to_rgb(plotting.LIT)) == lit
        assert (box.get_bbox_patch().get_edgecolor() == to_rgba("black")) == lit

    place = {name: text.get_window_extent() for name, text in texts.items()}
    order = ["params", "loss_fn", "loss", "jax.grad", "grads", "optimizer", "updates", "add", "new params"]
    assert all(place[a].x1 < place[b].x0 for a, b in zip(order[::2], order[2::2]))
    middles = [place[name].x0 + place[name].x1 for name in order]
    assert middles == sorted(middles) and all(place[name].y0 > place["loss"].y0 for name in order[1::2])
    for box, note in notes.items():
        assert place[note].y1 < place[box].y0 and abs(place[note].x0 + place[note].x1 - middles[order.index(box)]) < 1
    assert place["the next step"].x0 + place["the next step"].x1 == pytest.approx(middles[order.index("grads")])
    assert {text.get_fontsize() for name, text in texts.items() if name not in plotting.THREAD} == {10}

    *between, back = [(*text.xyann, *text.xy) for text in ax.texts if hasattr(text, "arrow_patch")]
    assert len(between) == 4 and back == (4, 0.3, 0, 0.3)
    assert all(
        (x0 - i, y0, x1 - i, y1) == pytest.approx((0.33, 0, 0.67, 0)) for i, (x0, y0, x1, y1) in enumerate(between)
    )
    whole = Bbox.union(list(place.values()))  # fills the axes and stays inside
    assert np.all(whole.min > ax.bbox.min) and np.all(whole.max < ax.bbox.max)
    assert np.all(whole.size > ax.bbox.size * [0.85, 0.7]) and place["the next step"].y0 > place["jax.grad"].y1


def test_show_displays_the_figure_with_its_alt_text_and_closes_it(shown):
    fig, _ = plt.subplots()
    plotting.show(fig, "A line that rises.")
    assert shown == [(fig, {"metadata": {"image/png": {"alt": "A line that rises."}}})]
    assert not plt.fignum_exists(fig.number)


def draw_bar(ax, height):
    ax.clear()
    ax.bar([0], [height], color="#009E73")
    ax.set(ylim=(0, 10))
    ax.figure.canvas.draw()


@pytest.mark.parametrize("options, each", [({}, 1000), ({"seconds": 0.5}, 125)])
def test_show_moving_plays_all_frames_twice_and_stays_on_the_last(shown, options, each):
    fig, ax = plt.subplots(figsize=(3, 2))
    heights = [9, 1, 5, 3]
    alt = "A bar that falls and rises."
    plotting.show_moving(fig, lambda height: draw_bar(ax, height), iter(heights), alt, **options)
    ((data, options),) = shown
    assert options == {"raw": True, "metadata": {"image/png": {"alt": alt}}} and not plt.fignum_exists(fig.number)
    assert data["text/plain"] == "<4 frames>"

    with Image.open(io.BytesIO(base64.b64decode(data["image/png"]))) as png:
        assert png.info["loop"] == 2 and png.info["default_image"] and png.n_frames == 1 + len(heights)
        durations, frames = [], []
        for i in range(png.n_frames):
            png.seek(i)
            durations.append(png.info.get("duration"))
            frames.append(np.asarray(png.convert("RGB"), float))
    assert durations == [None, each, each, each, 1000]
    for frame, height in zip(frames, [heights[-1], *heights]):  # the default image is the last frame
        _, ax = plt.subplots(figsize=(3, 2))
        draw_bar(ax, height)
        assert np.abs(frame - np.asarray(ax.figure.canvas.buffer_rgba())[:, :, :3]).mean() < 1
    assert len(np.unique(np.concatenate(frames).reshape(-1, 3), axis=0)) <= 128  # one palette for all
    assert (frames[0][0, 0] == 255).all()  # the page is white


def test_moving_png_rests_on_the_last_picture():
    pictures = [np.full((2, 3, 3), value, np.uint8) for value in (0, 255, 0)]
    with Image.open(io.BytesIO(plotting.moving_png(pictures, seconds=2, rest=3, loop=5))) as png:
        assert png.info["loop"] == 5
        png.seek(3)
        assert png.info["duration"] == 3000


def test_show_moving_holds_the_layout_of_its_first_frame(shown):
    fig, ax = plt.subplots(figsize=(3, 2))
    places = []

    def draw(top):
        places.append(ax.get_position().bounds)
        ax.set_ylim(0, top)  # whose numbers need more room in each frame

    plotting.show_moving(fig, draw, [1, 1e3, 1e6, 1e9], "An axis that grows.")
    assert places[1] == places[2] == places[3] == ax.get_position().bounds != places[0]


def test_show_panel_redraws_by_name_when_a_widget_is_let_go(shown):
    calls = []
    rate, size = FloatSlider(0.5, min=0, max=1), IntSlider(4, min=1, max=8)
    plotting.show_panel(lambda **values: calls.append(values), learning_rate=rate, batch_size=size)
    rate.value, size.value = 0.25, 6
    assert calls == [
        {"learning_rate": 0.5, "batch_size": 4},
        {"learning_rate": 0.25, "batch_size": 4},
        {"learning_rate": 0.25, "batch_size": 6},
    ]
    assert [rate.description, size.description] == ["learning rate", "batch size"]
    assert not rate.continuous_update and not size.continuous_update
    ((box, _),) = shown
    assert box.children[0].children == (rate, size)


# Machado, Oliveira and Fernandes 2009, Table 1: linear RGB as it is seen without one of the three kinds of cones.
VISION = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def seen(color, vision):
    """Return a color in CIELAB, where distance is about the difference to the eye."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(to_xyz @ np.clip(VISION[vision] @ linear, 0, 1) / to_xyz.sum(1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def least_distance(colors, vision):
    return min(np.linalg.norm(seen(a, vision) - seen(b, vision)) for a, b in combinations(colors, 2))


@pytest.mark.parametrize("vision", VISION)
def test_colors_stay_apart(vision):
    assert least_distance([CLASS_MAP(0.5), "white"], vision) < 5  # a half is neither class
    for color, own, other in zip(CLASS_COLORS, (0.0, 1.0), (1.0, 0.0)):
        to_own, to_other = (least_distance([color, CLASS_MAP(side)], vision) for side in (own, other))
        assert 15 < to_own < to_other
    assert least_distance(CLASS_COLORS, vision) > 20
    assert least_distance(plt.rcParams["axes.prop_cycle"].by_key()["color"][:4], vision) > 15


def test_the_smallest_text_has_8_points():
    assert 0.7 * plt.rcParams["font.size"] >= 8  # matplotlib draws an exponent at 0.7 of the size
