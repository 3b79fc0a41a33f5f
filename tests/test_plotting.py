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
from helpers.plotting import CLASS_COLORS, CLASS_MAP, plot_images, plot_losses, plot_points

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
    fig, ax = plt.subplots(figsize=(3, 2))
    yield ax
    fig.canvas.draw()  # a figure that cannot be drawn fails here


@pytest.fixture
def shown(monkeypatch):
    """Collect what is displayed: data and metadata."""
    calls = []
    monkeypatch.setattr(plotting, "display", lambda data, raw, metadata: raw and calls.append((data, metadata)))
    return calls


@pytest.mark.parametrize("hollow", [False, True])
@pytest.mark.parametrize("y", [Y.tolist(), Y == 1, pd.Series(Y, [3, 2, 1, 0]), 0.0 * Y])
def test_plot_points_draws_each_class_in_its_color_and_marker(ax, hollow, y):
    assert plot_points(X.tolist(), y, ax=ax, label="test", hollow=hollow, size=110) is ax
    for k, points in enumerate(ax.collections):
        np.testing.assert_array_equal(points.get_offsets(), X[np.asarray(y) == k])
        fill, edge = tuple(points.get_facecolor()[0]), tuple(points.get_edgecolor()[0])
        assert (edge, fill) == (to_rgba(CLASS_COLORS[k]), to_rgba("white"))[:: 1 if hollow else -1]
        assert points.get_sizes() == [110]
    circle, triangle = (points.get_paths()[0].vertices for points in ax.collections)
    assert len(circle) != len(triangle)
    assert [text.get_text() for text in ax.legend().get_texts()] == ["test 0", "test 1"]


@pytest.mark.parametrize("wrong", [-1, 2, 0.5, np.nan, "1"])
def test_plot_points_says_which_class_it_cannot_draw(ax, wrong):
    with pytest.raises(ValueError, match=f"only the classes 0 and 1, got '?{wrong}"):
        plot_points(X, [wrong] * 4, ax=ax)


def test_the_class_map_leads_from_the_color_of_class_0_to_that_of_class_1():
    warm = [[red > blue for red, _, blue, _ in map(to_rgba, ends)] for ends in (CLASS_COLORS, CLASS_MAP([0.0, 1.0]))]
    assert warm[0] == warm[1] == [False, True]  # purple and orange


def test_plot_losses_draws_the_losses_from_one_on(ax):
    assert plot_losses(pd.Series([4.0, 2.0, 1.0], [2, 1, 0]), ax=ax, label="train", per="epoch", linestyle="--") is ax
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xydata(), [[1, 4], [2, 2], [3, 1]])
    assert (ax.get_xlabel(), ax.get_yscale()) == ("epoch", "log")
    assert (line.get_label(), line.get_linestyle()) == ("train", "--")
    plot_losses([4.0, 2.0, 3.0], ax=ax, yscale="linear")
    assert (ax.get_xlabel(), ax.get_yscale()) == ("step", "linear")
    with pytest.raises(ValueError, match="one axis, got shape"):
        plot_losses(np.ones((3, 2)), ax=ax)


@pytest.mark.parametrize("shape", [(5, 9), (5, 3, 3)])
@pytest.mark.parametrize("kind", [list, lambda each: pd.Series(each, [3, 1, 0, 2])])
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
    assert [title.get_text() for title in titles] == ["7", "3 read as 5", "8 read as 6", "1"]
    assert [title.get_fontweight() == "bold" for title in titles] == [False, True, True, False]  # to see without red


def test_plot_images_needs_an_image_and_a_label_for_each_axes():
    _, axes = plt.subplots(1, 2)
    plot_images(np.zeros((2, 9)), [8, 3], axes=axes[0])
    assert axes[0].get_title() == "8"
    for count, labels, predictions in ((1, [7, 3], [7, 3]), (2, [7], None), (2, [7, 3], [7])):
        with pytest.raises(ValueError, match="2 axes, but only 1 image"):
            plot_images(np.zeros((count, 9)), labels, predictions, axes=axes)


def draw_bar(ax, height):
    """Draw a bar, and return the picture that it makes."""
    ax.clear()
    ax.bar([0], [height], color="#009E73")
    ax.set(ylim=(0, 10))
    ax.figure.canvas.draw()
    return np.array(ax.figure.canvas.buffer_rgba())[:, :, :3]


def displayed(shown, fig, alt):
    """Check that one PNG with its alt text is shown and the figure closed, and return the PNG."""
    ((data, metadata),) = shown
    assert metadata == {"image/png": {"alt": alt}} and not plt.fignum_exists(fig.number)
    return Image.open(io.BytesIO(base64.b64decode(data["image/png"])))


def test_show_displays_the_figure_with_its_alt_text_and_closes_it(ax, shown):
    drawn = draw_bar(ax, 5)
    plotting.show(ax.figure, "A bar.")
    with displayed(shown, ax.figure, "A bar.") as png:
        np.testing.assert_array_equal(png.convert("RGB"), drawn)


def test_show_moving_plays_all_frames_and_stays_on_the_last(ax, shown):
    heights, expected = [9, 1, 5, 3, 7], []
    plotting.show_moving(ax.figure, lambda height: expected.append(draw_bar(ax, height)), iter(heights), "")
    with displayed(shown, ax.figure, "") as png:
        assert png.info["loop"] == 2 and png.n_frames == 6
        durations, frames = [], []
        for i in range(png.n_frames):
            png.seek(i)
            durations.append(png.info.get("duration"))
            frames.append(np.asarray(png.convert("RGB"), float))
    assert durations == [None, 800, 800, 800, 800, 1000]
    for frame, picture in zip(frames, [expected[-1], *expected]):  # the default image is the last frame
        assert np.abs(frame - picture).mean() < 1
    assert len(np.unique(np.concatenate(frames).reshape(-1, 3), axis=0)) <= 128  # one palette for all
    assert (frames[0][0, 0] == 255).all()  # the page is white


def test_show_moving_holds_the_layout_of_its_first_frame(ax, shown):
    places = []

    def draw(top):
        places.append(ax.get_position().bounds)
        ax.set_ylim(0, top)  # whose numbers need more room in each frame

    plotting.show_moving(ax.figure, draw, [1, 1e3, 1e6, 1e9], "An axis that grows.")
    assert places[1] == places[2] == places[3] == ax.get_position().bounds != places[0]
