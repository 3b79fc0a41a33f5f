"""Each plot draws what it was given on the axes it was given, and returns them."""

import re
from itertools import combinations

import matplotlib
import numpy as np
import pytest
from colorspacious import cspace_convert
from matplotlib.colors import to_rgb, to_rgba

from helpers.plotting import (
    CLASS_COLORS,
    CLASS_MAP,
    TALL,
    WIDE,
    plot_decision_boundary,
    plot_images,
    plot_losses,
    plot_points,
    show,
)

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402  the backend comes first

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([0, 1, 1, 0])


@pytest.fixture
def ax():
    with plt.style.context("helpers.figures"):
        fig, ax = plt.subplots()
        yield ax
        fig.canvas.draw()  # a figure that cannot be drawn fails here
        plt.close(fig)


def test_plot_points_gives_each_class_its_points_and_color(ax):
    assert plot_points(x=X.tolist(), y=Y.tolist(), ax=ax) is ax
    for k, points in enumerate(ax.collections):
        np.testing.assert_array_equal(points.get_offsets(), X[Y == k])
        assert tuple(points.get_facecolor()[0]) == to_rgba(CLASS_COLORS[k])
        assert tuple(points.get_edgecolor()[0]) == to_rgba("white") and points.get_linewidth() > 0
        assert points.get_zorder() > 2  # above every line
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
        assert points.get_linewidth() > filled.get_linewidth()  # the edge alone has the color
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
    assert tuple(contour.get_edgecolor()[0]) == to_rgba("black") and contour.get_linewidth() >= 1
    assert filled.get_clim() == (0, 1) and 0.5 in filled.levels and filled.get_cmap() is CLASS_MAP
    assert filled.extend == "both"  # a score below 0 or above 1 has a color too
    assert ax.get_xlim() == (-0.5, 1.5) and ax.get_ylim() == (2.5, 5.5)
    (bar,) = set(ax.figure.axes) - {ax}
    assert bar.get_ylabel() == "P(class 1)" and bar.get_yticks().tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_plot_decision_boundary_without_a_color_bar(ax):
    plot_decision_boundary(lambda x: x[:, 0], X, Y, ax=ax, label=None)
    assert ax.figure.axes == [ax]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("low, high", [(0.5, 0.5), (0.5, 0.9), (0.1, 0.5), (0.6, 0.9), (0.1, 0.4)])
def test_plot_decision_boundary_of_a_model_that_never_changes_its_mind(ax, low, high):
    plot_decision_boundary(lambda x: np.linspace(low, high, len(x)), X, Y, ax=ax)
    assert len(ax.collections) == 3  # the colors and two classes of points, and no contour


def test_plot_losses_draws_the_losses_from_one_on(ax):
    assert plot_losses(losses=[4.0, 2.0, 1.0], ax=ax, label="train", per="epoch", linestyle="--") is ax
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xydata(), [[1, 4], [2, 2], [3, 1]])
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("epoch", "loss", "log")
    assert (line.get_label(), line.get_linestyle()) == ("train", "--")


def test_plot_losses_draws_losses_that_stay_within_a_decade(ax):
    plot_losses([4.0, 2.0, 3.0], ax=ax, yscale="linear")
    assert (ax.get_xlabel(), ax.get_yscale()) == ("step", "linear")


@pytest.mark.parametrize("shape", [(3, 2), ()])
def test_plot_losses_refuses_a_table(ax, shape):
    with pytest.raises(ValueError, match=f"^losses must have one axis, got shape {re.escape(str(shape))}"):
        plot_losses(np.ones(shape), ax=ax)


def test_plot_images_shows_the_images_and_marks_the_mistake():
    fig, axes = plt.subplots(1, 3)
    images = np.random.default_rng(0).uniform(0.25, 0.75, (3, 9))  # neither paper nor full ink
    assert plot_images(images=images, labels=np.array([7, 3, 8]), predictions=np.array([7, 5, 6]), axes=axes) is axes
    for ax, image in zip(axes, images):
        (shown,) = ax.images
        np.testing.assert_array_equal(shown.get_array(), image.reshape(3, 3))
        assert shown.get_clim() == (0, 1)
        np.testing.assert_array_equal(shown.to_rgba(np.array([0.0, 1.0])), [to_rgba("white"), to_rgba("black")])
        assert not ax.axison
    assert [ax.get_title() for ax in axes] == ["7, is 7", "5, is 3", "6, is 8"]
    assert [ax.title.get_color() == axes[0].title.get_color() for ax in axes] == [True, False, False]
    assert [ax.title.get_fontweight() == "bold" for ax in axes] == [False, True, True]  # for those who see no red
    plt.close(fig)


def test_plot_images_without_predictions_shows_the_labels():
    fig, axes = plt.subplots(1, 2)
    plot_images(np.zeros((2, 3, 3)), [7, 3], axes=axes)
    assert [ax.get_title() for ax in axes] == ["7", "3"]
    plt.close(fig)


def test_show_displays_the_figure_with_its_alt_text_and_closes_it(monkeypatch):
    shown = []
    monkeypatch.setattr("helpers.plotting.display", lambda *objects, **options: shown.append((objects, options)))
    fig, _ = plt.subplots()
    show(fig, "A line that rises.")
    assert shown == [((fig,), {"metadata": {"image/png": {"alt": "A line that rises."}}})]
    assert not plt.fignum_exists(fig.number)


def seen(color, vision):
    """Return a color in CAM02-UCS, where distance is difference to the eye, as it is seen in gray or by a dichromat."""
    if vision == "gray":
        return cspace_convert(to_rgb(color), "sRGB1", "CAM02-UCS") * [1, 0, 0]
    deficiency = {"name": "sRGB1+CVD", "cvd_type": vision, "severity": 100}
    return cspace_convert(np.clip(cspace_convert(to_rgb(color), deficiency, "sRGB1"), 0, 1), "sRGB1", "CAM02-UCS")


def least_distance(colors, vision):
    return min(np.linalg.norm(seen(a, vision) - seen(b, vision)) for a, b in combinations(colors, 2))


@pytest.mark.parametrize("vision", ["deuteranomaly", "protanomaly", "tritanomaly", "gray"])
def test_colors_stay_apart(vision):
    assert least_distance(CLASS_COLORS, vision) > 20
    assert least_distance([CLASS_MAP(0.5), "white"], vision) < 5  # a half is neither class
    if vision != "gray":  # there, lines are told apart by style or marker, and points from their ground by an edge
        for color, own, other in zip(CLASS_COLORS, (0.0, 1.0), (1.0, 0.0)):
            to_own, to_other = (least_distance([color, CLASS_MAP(side)], vision) for side in (own, other))
            assert 10 < to_own < to_other
        with plt.style.context("helpers.figures"):
            assert least_distance(plt.rcParams["axes.prop_cycle"].by_key()["color"][:4], vision) > 10


def test_the_smallest_text_has_8_points():
    with plt.style.context("helpers.figures"):
        assert 0.7 * plt.rcParams["font.size"] >= 8  # matplotlib draws an exponent at 0.7 of the size
    assert WIDE[0] == TALL[0]  # figures of one width keep their text at one size
