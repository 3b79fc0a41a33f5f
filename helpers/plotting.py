"""Figures that more than one notebook draws. Each `plot_` function draws on axes that it is given.

plot_points          two classes in the plane
plot_losses          a loss over steps or epochs
plot_images          digits with their labels and predictions
show, show_moving    show a figure, still or animated, with a text for readers who cannot see it

`plt.style.use("helpers.figures")` sets sizes, colors and layout.
"""

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib import colormaps
from matplotlib.colors import ListedColormap
from PIL import Image

WIDE = (10, 3.8)  # inches, the figsize of a figure with several panels

CLASS_COLORS = ("#7b3294", "#e66101")  # purple and orange, which people with any color vision can tell apart
CLASS_MARKERS = ("o", "^")
# Paler than the points, so that a point stands out from a background of its own color.
CLASS_MAP = ListedColormap(0.4 + 0.6 * colormaps["PuOr_r"](np.linspace(0, 1, 256))[:, :3])


def plot_points(x, y, *, ax, label="class", hollow=False, size=44):
    """Draw points of classes 0 and 1, each class in its own color and marker, and return the axes.

    x: `(n, 2)`. y: `(n,)`, 0 or 1; anything else raises ValueError.
    label: the text that the legend shows before the class. size: the area of a marker, in square points.
    hollow: whether to fill the markers with white, to tell one set of points from another.
    """
    x, y = np.asarray(x), np.asarray(y)
    wrong = y[~np.isin(y, (0, 1))].tolist()
    if wrong:
        raise ValueError(f"y must hold only the classes 0 and 1, got {wrong[0]!r}")
    for k, (color, marker) in enumerate(zip(CLASS_COLORS, CLASS_MARKERS)):
        face, edge, width = ("white", color, 1.3) if hollow else (color, "white", 1.0)
        style = dict(marker=marker, s=size, facecolor=face, edgecolor=edge, linewidth=width, zorder=3)
        ax.scatter(*x[y == k].T, label=f"{label} {k}", **style)
    ax.set(xlabel="$x_1$", ylabel="$x_2$")
    return ax


def plot_losses(losses, *, ax, label=None, per="step", yscale="log", **line):
    """Draw losses as a line, by default on a logarithmic scale, and return the axes.

    losses: `(steps,)` or `(epochs,)`, positive. per: what the horizontal axis counts, "step" or "epoch".
    line: more options of `Axes.plot`, such as `linestyle`.
    """
    losses = np.asarray(losses)
    if losses.ndim != 1:
        raise ValueError(f"losses must have one axis, got shape {losses.shape}: take the mean over each epoch first")
    ax.plot(np.arange(1, len(losses) + 1), losses, label=label, **line)
    ax.set(xlabel=per, ylabel="loss", yscale=yscale)
    return ax


def plot_images(images, labels, predictions=None, *, axes):
    """Show one square image on each axes titled with its label, and return the axes.

    images: `(n, s * s)` or `(n, s, s)`, from 0 (paper) to 1 (ink). labels, predictions: `(n,)`.
    axes: an array of at most n axes, of any shape; ValueError if it has more.

    The title of a wrong prediction is bold and red.
    """
    images, labels = np.asarray(images), np.asarray(labels)
    predictions = labels if predictions is None else np.asarray(predictions)
    n = min(len(images), len(labels), len(predictions))
    if np.size(axes) > n:
        raise ValueError(f"there are {np.size(axes)} axes, but only {n} images with their labels")
    side = int(np.sqrt(images[0].size))
    for ax, image, label, prediction in zip(np.ravel(axes), images, labels, predictions):
        ax.imshow(image.reshape(side, side), cmap="gray_r", vmin=0, vmax=1)
        ax.set_axis_off()
        ax.set_title(f"{label}")
        if prediction != label:
            ax.set_title(f"{label} read as {prediction}", color="#b2182b", fontweight="bold")
    return axes


def show(fig, alt):
    """Show a figure below the cell and close it.

    alt: one or two sentences that describe the picture. They are stored with it, for screen readers.
    """
    png = io.BytesIO()
    fig.savefig(png, format="png")  # so that a picture is shown whatever matplotlib's backend is
    _display_and_close(fig, png, repr(fig), alt)


def show_moving(fig, draw, frames, alt):
    """Show an animation below the cell, as an animated PNG, and close the figure.

    draw: `draw(frame)` changes the figure. It is called for each of `frames` in turn.
    alt: as in `show`; it also says what moves.

    The animation plays twice, four seconds each time and one more for its last frame, and stops there.
    """
    pictures = []
    for frame in frames:
        draw(frame)
        if not pictures:  # fix the layout, which settles after two rounds, so that nothing moves in later frames
            for _ in range(2):
                fig.canvas.draw()
            fig.set_layout_engine("none")
        fig.canvas.draw()
        pictures.append(np.asarray(fig.canvas.buffer_rgba())[:, :, :3].copy())
    # The frames of a PNG share one palette, so it is chosen for all of them at once.
    stack = Image.fromarray(np.concatenate(pictures)).quantize(128, method=Image.Quantize.FASTOCTREE)
    stack.putpalette([255 if value > 250 else value for value in stack.getpalette()])  # the octree dims white a little
    height, width = pictures[0].shape[:2]
    images = [stack.crop((0, i * height, width, (i + 1) * height)) for i in range(len(pictures))]
    durations = [4000 // len(images)] * (len(images) - 1) + [1000]  # milliseconds
    # The default image, for programs that do not play it, is the last frame.
    options = dict(save_all=True, default_image=True, append_images=images, duration=durations, loop=2)
    png = io.BytesIO()
    images[-1].save(png, format="PNG", **options)
    _display_and_close(fig, png, f"<{len(images)} frames>", alt)


def _display_and_close(fig, png, text, alt):
    data = {"image/png": base64.b64encode(png.getvalue()).decode(), "text/plain": text}
    display(data, raw=True, metadata={"image/png": {"alt": alt}})
    plt.close(fig)
