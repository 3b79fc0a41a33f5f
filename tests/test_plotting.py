"""Each plot draws what it was given, on the axes that it was given, or says why not."""

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from PIL import Image

from helpers import plotting
from helpers.plotting import CLASS_COLORS, plot_decision_boundary, plot_images, plot_losses, plot_points

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([0, 1, 1, 0])


@pytest.fixture(autouse=True)
def style():
    plt.switch_backend("agg")
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
    """Collect what is displayed: data and metadata."""
    calls = []
    monkeypatch.setattr(plotting, "display", lambda data, raw, metadata: raw and calls.append((data, metadata)))
    return calls


def decode(data):
    return Image.open(io.BytesIO(base64.b64decode(data["image/png"])))


@pytest.mark.parametrize("hollow", [False, True])
@pytest.mark.parametrize("y", [Y, Y.tolist(), Y == 1, Y.astype(float), pd.Series(Y, [3, 2, 1, 0]), 0 * Y])
def test_plot_points_draws_each_class_in_its_color_and_marker(ax, hollow, y):
    assert plot_points(X.tolist(), y, ax=ax, label="test", hollow=hollow, size=110) is ax
    for k, points in enumerate(ax.collections):
        np.testing.assert_array_equal(points.get_offsets(), X[np.asarray(y) == k])
        colors = to_rgba(CLASS_COLORS[k]), to_rgba("white")
        drawn = tuple(points.get_facecolor()[0]), tuple(points.get_edgecolor()[0])
        assert drawn == (colors[::-1] if hollow else colors)
        assert points.get_zorder() == 3 and points.get_sizes() == [110]  # above every line
        assert points.get_linewidth() == [1.3 if hollow else 1]
    circle, triangle = (points.get_paths()[0].vertices for points in ax.collections)
    assert len(circle) != len(triangle)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$x_1$", "$x_2$")
    assert [text.get_text() for text in ax.legend().get_texts()] == ["test 0", "test 1"]


@pytest.mark.parametrize("wrong", [-1, 2, 0.5, np.nan, "1", "cat"])
def test_plot_points_says_which_class_it_cannot_draw(ax, wrong):
    with pytest.raises(ValueError, match=f"only the classes 0 and 1, got '?{wrong}"):
        plot_points(X, [wrong] * 4, ax=ax)


def test_plot_decision_boundary_draws_the_contour_where_the_model_says_a_half(ax):
    # The model says a half where x1 is 0.25, and some scores are no probabilities: they take the color of the nearest.
    colors = plot_decision_boundary(lambda x: 0.25 + x[:, 0], (X * [1, 2] + [0, 3]).tolist(), Y, ax=ax)
    filled, contour, zeros, ones = ax.collections
    assert filled is colors and colors.get_array() is not None
    half_x1, half_x2 = np.concatenate([path.vertices for path in contour.get_paths()]).T
    np.testing.assert_allclose(half_x1, 0.25, atol=1e-9)
    assert (half_x2.min(), half_x2.max()) == (2.5, 5.5)
    assert tuple(contour.get_edgecolor()[0]) == to_rgba("black") and contour.get_linewidth() == [1.5]
    np.testing.assert_allclose(filled.levels, np.linspace(0, 1, 21))
    assert zeros.get_label() == "class 0" and zeros.get_sizes() == [44] and ones.get_linewidth() == [1]
    assert ax.get_xlim() == (-0.5, 1.5) and ax.get_ylim() == (2.5, 5.5)
    (bar,) = set(ax.figure.axes) - {ax}
    assert bar.get_ylabel() == "P(class 1)" and bar.get_yticks().tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_plot_decision_boundary_colors_the_plane_by_the_scores(ax):
    plot_decision_boundary(lambda x: np.where(x[:, 1] > 0.5, 2.0, -1.0), X, Y, ax=ax, label=None, margin=2)
    assert ax.figure.axes == [ax] and ax.get_xlim() == (-2, 3)  # no color bar
    ax.set_axis_off()
    ax.set_position([0, 0, 1, 1])
    ax.figure.set_layout_engine("none")
    ax.figure.canvas.draw()
    picture = np.asarray(ax.figure.canvas.buffer_rgba())[:, :, :3] / 255
    # The colors of the classes, but paler than the points.
    np.testing.assert_allclose(picture[[-5, 5], 5], [[0.53, 0.42, 0.61], [0.73, 0.55, 0.42]], atol=0.03)


@pytest.mark.parametrize("low, high", [(0.5, 0.5), (0.5, 0.9), (0.1, 0.5)])
def test_plot_decision_boundary_of_a_model_that_never_changes_its_mind(ax, low, high):
    plot_decision_boundary(lambda x: np.linspace(low, high, len(x)), X, Y, ax=ax, label=None)
    assert len(ax.collections) == 3  # the colors and two classes of points, and no contour


def test_plot_losses_draws_the_losses_from_one_on(ax):
    assert plot_losses(pd.Series([4.0, 2.0, 1.0], [2, 1, 0]), ax=ax, label="train", per="epoch", linestyle="--") is ax
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xydata(), [[1, 4], [2, 2], [3, 1]])
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("epoch", "loss", "log")
    assert (line.get_label(), line.get_linestyle()) == ("train", "--")
    plot_losses([4.0, 2.0, 3.0], ax=ax, yscale="linear")
    assert (ax.get_xlabel(), ax.get_yscale()) == ("step", "linear")
    for table in (np.ones((3, 2)), 1.0):
        with pytest.raises(ValueError, match="one axis, got shape"):
            plot_losses(table, ax=ax)


@pytest.mark.parametrize("shape", [(5, 9), (5, 3, 3)])
@pytest.mark.parametrize("kind", [np.array, list, lambda each: pd.Series(each, [3, 1, 0, 2])])
def test_plot_images_shows_the_images_in_order_and_marks_the_mistakes(shape, kind):
    _, axes = plt.subplots(2, 2)
    images = np.random.default_rng(0).uniform(0.25, 0.75, shape)  # neither paper nor full ink
    assert plot_images(images, kind([7, 3, 8, 1]), kind([7, 5, 6, 1]), axes=axes) is axes
    for ax, image in zip(axes.flat, images):
        (picture,) = ax.images
        np.testing.assert_array_equal(picture.get_array(), image.reshape(3, 3))
        assert picture.get_clim() == (0, 1) and not ax.axison
        np.testing.assert_array_equal(picture.to_rgba(np.array([0.0, 1.0])), [to_rgba("white"), to_rgba("black")])
    titles = [ax.title for ax in axes.flat]
    assert [title.get_text() for title in titles] == ["7", "5, not 3", "6, not 8", "1"]
    assert [title.get_color() == "#b2182b" for title in titles] == [False, True, True, False]
    assert [title.get_fontweight() == "bold" for title in titles] == [False, True, True, False]  # to see without red


def test_plot_images_needs_an_image_and_a_label_for_each_axes():
    _, axes = plt.subplots(1, 2)
    plot_images(np.zeros((2, 9)), [7, 3], axes=axes)
    assert [ax.get_title() for ax in axes] == ["7", "3"]
    plot_images(np.zeros((2, 9)), [8], axes=axes[0])
    assert axes[0].get_title() == "8"
    for count, labels, predictions in ((1, [7, 3], [7, 3]), (2, [7], None), (2, [7, 3], [7])):
        with pytest.raises(ValueError, match="2 axes, but only 1 image"):
            plot_images(np.zeros((count, 9)), labels, predictions, axes=axes)
    with pytest.raises(ValueError, match="reshape"):  # 25 images of 3 x 9 pixels are not 27 of 5 x 5
        plot_images(np.zeros((25, 27)), range(25), axes=axes)


def draw_bar(ax, height):
    ax.clear()
    ax.bar([0], [height], color="#009E73")
    ax.set(ylim=(0, 10))
    ax.figure.canvas.draw()


def test_show_displays_the_figure_with_its_alt_text_and_closes_it(shown):
    fig, ax = plt.subplots(figsize=(3, 2))
    draw_bar(ax, 5)
    plotting.show(fig, "A bar.")
    ((data, metadata),) = shown
    assert metadata == {"image/png": {"alt": "A bar."}} and data["text/plain"] == repr(fig)
    assert not plt.fignum_exists(fig.number)
    _, ax = plt.subplots(figsize=(3, 2))
    draw_bar(ax, 5)
    with decode(data) as png:
        np.testing.assert_array_equal(png, ax.figure.canvas.buffer_rgba())


@pytest.mark.parametrize(
    "options, each, rest, loop", [({}, 1000, 1000, 2), (dict(seconds=0.5, rest=3, loop=5), 125, 3000, 5)]
)
def test_show_moving_plays_all_frames_and_stays_on_the_last(shown, options, each, rest, loop):
    fig, ax = plt.subplots(figsize=(3, 2))
    heights = [9, 1, 5, 3]
    plotting.show_moving(fig, lambda height: draw_bar(ax, height), iter(heights), "A bar that falls.", **options)
    ((data, metadata),) = shown
    assert metadata == {"image/png": {"alt": "A bar that falls."}} and not plt.fignum_exists(fig.number)
    assert data["text/plain"] == "<4 frames>"
    with decode(data) as png:
        assert png.info["loop"] == loop and png.info["default_image"] and png.n_frames == 1 + len(heights)
        durations, frames = [], []
        for i in range(png.n_frames):
            png.seek(i)
            durations.append(png.info.get("duration"))
            frames.append(np.asarray(png.convert("RGB"), float))
    assert durations == [None, each, each, each, rest]
    for frame, height in zip(frames, [heights[-1], *heights]):  # the default image is the last frame
        _, ax = plt.subplots(figsize=(3, 2))
        draw_bar(ax, height)
        assert np.abs(frame - np.asarray(ax.figure.canvas.buffer_rgba())[:, :, :3]).mean() < 1
    assert len(np.unique(np.concatenate(frames).reshape(-1, 3), axis=0)) <= 128  # one palette for all
    assert (frames[0][0, 0] == 255).all()  # the page is white


def test_show_moving_holds_the_layout_of_its_first_frame(shown):
    fig, ax = plt.subplots(figsize=(3, 2))
    places = []

    def draw(top):
        places.append(ax.get_position().bounds)
        ax.set_ylim(0, top)  # whose numbers need more room in each frame

    plotting.show_moving(fig, draw, [1, 1e3, 1e6, 1e9], "An axis that grows.")
    assert places[1] == places[2] == places[3] == ax.get_position().bounds != places[0]
