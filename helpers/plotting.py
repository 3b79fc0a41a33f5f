"""Figures that more than one notebook draws; each `plot_` draws on the axes it is given and returns them.

plot_points               two classes in the plane
plot_decision_boundary    what a model answers at every point of the plane, under those points
plot_losses               a loss falling over steps or epochs
plot_images               digits with their labels and predictions
plot_thread               one step of training as five boxes
show, show_moving         a figure, still or moving, with a text that says what is in it
moving_png                the file of one that moves
show_panel                sliders that redraw a figure

`plt.style.use("helpers.figures")` sets the sizes, the colors (Okabe and Ito's) and the layout.
"""

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib import colormaps
from matplotlib.colors import ListedColormap
from PIL import Image

WIDE = (10, 3.8)  # inches, for `plt.subplots(figsize=...)`; a single plot needs none

CLASS_COLORS = ("#7b3294", "#e66101")  # purple and orange, apart in every common kind of color vision
CLASS_MARKERS = ("o", "^")
# The ground is paler than the points, so that a filled point is not lost on its own side.
CLASS_MAP = ListedColormap(0.4 + 0.6 * colormaps["PuOr_r"](np.linspace(0, 1, 256))[:, :3])

THREAD = ("params", "loss", "grads", "updates", "new params")  # what one step of training passes through
LIT = "#ffe8a3"


def plot_points(x, y, *, ax, label="class", hollow=False, size=44):
    """Draw the points of classes 0 and 1, each in its color and marker.

    x: `(n, 2)`. y: `(n,)`, 0 or 1.
    label: what the legend calls them, followed by the class.
    hollow: draw them white inside, to tell one set of points from another.
    size: the area of a point, in square points.
    """
    for k, (color, marker) in enumerate(zip(CLASS_COLORS, CLASS_MARKERS)):
        fill, edge, width = ("white", color, 1.3) if hollow else (color, "white", 1.0)
        style = dict(marker=marker, s=size, facecolor=fill, edgecolor=edge, linewidth=width, zorder=3)
        ax.scatter(*np.asarray(x)[np.asarray(y) == k].T, label=f"{label} {k}", **style)
    ax.set(xlabel="$x_1$", ylabel="$x_2$")
    return ax


def plot_decision_boundary(predict, x, y, *, ax, label="P(class 1)", margin=0.5):
    """Color the plane by a model's answer, draw its 0.5 contour in black, and the points on top.

    predict: `(m, 2) -> (m,)`, the probability of class 1 or a score in its place.
    x: `(n, 2)`. y: `(n,)`, 0 or 1.
    label: of the color bar; None draws no bar. For a bar of several panels, the colors of
        a panel are `ax.collections[0]`.
    margin: how far the picture reaches beyond the points, in units of x.
    """
    x = np.asarray(x)
    x1, x2 = (np.linspace(low - margin, high + margin, 200) for low, high in zip(x.min(0), x.max(0)))
    grid = np.stack(np.meshgrid(x1, x2), axis=-1)
    scores = np.asarray(predict(grid.reshape(-1, 2))).reshape(grid.shape[:2])
    filled = ax.contourf(x1, x2, scores, levels=np.linspace(0, 1, 21), cmap=CLASS_MAP, extend="both")
    if scores.min() < 0.5 < scores.max():  # matplotlib warns of a contour that is nowhere
        ax.contour(x1, x2, scores, levels=[0.5], colors="black", linewidths=1.5)
    if label is not None:
        ax.figure.colorbar(filled, ax=ax, label=label, ticks=[0, 0.25, 0.5, 0.75, 1])
    return plot_points(x, y, ax=ax)


def plot_losses(losses, *, ax, label=None, per="step", yscale="log", **line):
    """Draw losses as a line, on a logarithmic scale unless told otherwise.

    losses: `(steps,)` or `(epochs,)`, positive.
    per: what the horizontal axis counts.
    yscale: "log", or "linear" for losses that stay within a decade.
    line: further options of `Axes.plot`, such as `linestyle`.
    """
    losses = np.asarray(losses)
    if losses.ndim != 1:
        raise ValueError(f"losses must have one axis, got shape {losses.shape}: take the mean over each epoch first")
    ax.plot(np.arange(1, len(losses) + 1), losses, label=label, **line)
    ax.set(xlabel=per, ylabel="loss", yscale=yscale)
    return ax


def plot_images(images, labels, predictions=None, *, axes):
    """Show one square image on each axes, titled by its label, or by prediction and label.

    images: `(n, s * s)` or `(n, s, s)`, 0 for paper to 1 for ink. labels, predictions: `(n,)`.
    axes: n axes, in an array of any shape. A wrong prediction is titled in bold red.
    """
    for i, ax in enumerate(np.ravel(axes)):
        side = int(np.sqrt(np.size(images[i])))
        ax.imshow(np.reshape(images[i], (side, side)), cmap="gray_r", vmin=0, vmax=1)
        ax.set_axis_off()
        ax.set_title(f"{labels[i]}" if predictions is None else f"{predictions[i]}, is {labels[i]}")
        if predictions is not None and predictions[i] != labels[i]:
            ax.title.set(color="#b2182b", fontweight="bold")
    return axes


def plot_thread(notes, *, ax):
    """Draw one step of training as five boxes in a row, from the parameters to the next parameters.

    notes: dict from a box (`THREAD` has their names) to what is said below it. A box with a note is lit.
    """
    for i, (box, arrow) in enumerate(zip(THREAD, ("loss_fn", "jax.grad", "optimizer", "add", ""))):
        lit = box in notes
        style = dict(boxstyle="round,pad=0.4", facecolor=LIT if lit else "white", edgecolor="black" if lit else "0.6")
        ax.text(i, 0, box, ha="center", va="center", bbox=style, fontweight="bold" if lit else "normal")
        ax.text(i, -0.5, notes.get(box, ""), ha="center", va="top", fontsize=10)
        if arrow:
            ax.annotate("", (i + 0.67, 0), (i + 0.33, 0), arrowprops={"arrowstyle": "->"})
            ax.text(i + 0.5, 0.15, arrow, ha="center", va="bottom", fontsize=10, family="monospace")
    back = {"arrowstyle": "->", "connectionstyle": "arc,angleA=90,armA=28,angleB=90,armB=28,rad=8", "linestyle": "--"}
    ax.annotate("", (0, 0.3), (4, 0.3), arrowprops=back)
    ax.text(2, 0.95, "the next step", ha="center", va="bottom", fontsize=10)
    ax.set(xlim=(-0.5, 4.5), ylim=(-1.2, 1.3))
    ax.set_axis_off()
    return ax


def show(fig, alt):
    """Show a figure in the notebook once, and close it.

    alt: one or two sentences that say what the picture shows. They are stored beside the picture,
        and a screen reader reads them aloud.
    """
    display(fig, metadata={"image/png": {"alt": alt}})
    plt.close(fig)


def show_moving(fig, draw, frames, alt, *, seconds=4):
    """Show a figure that moves, as an animated PNG that plays twice and then stands still on its last frame.

    draw: `draw(frame)` changes the figure, for each of `frames` in turn.
    alt: as in `show`; it also says what moves.
    seconds: how long it plays once, before the last frame stays for a second.
    """
    pictures = []
    for frame in frames:
        draw(frame)
        if not pictures:  # the layout settles in two rounds, and holds for all frames, so that nothing jumps
            for _ in range(2):
                fig.canvas.draw()
            fig.set_layout_engine("none")
        fig.canvas.draw()
        pictures.append(np.asarray(fig.canvas.buffer_rgba())[:, :, :3].copy())
    png = base64.b64encode(moving_png(pictures, seconds=seconds)).decode()
    data = {"image/png": png, "text/plain": f"<{len(pictures)} frames>"}
    display(data, raw=True, metadata={"image/png": {"alt": alt}})
    plt.close(fig)


def moving_png(pictures, *, seconds, rest=1, loop=2, colors=128):
    """Return the bytes of an animated PNG, whose default image, for viewers that know no motion, is the last.

    pictures: uint8 `(h, w, 3)` each. seconds, rest: how long all play, and how long the last one stays.
    """
    # One stack, so that all share one palette: a PNG has no more than one. An octree keeps each hue.
    stack = Image.fromarray(np.concatenate(pictures)).quantize(colors, method=Image.Quantize.FASTOCTREE)
    stack.putpalette([255 if value > 250 else value for value in stack.getpalette()])  # but it dims white a little
    height, width = pictures[0].shape[:2]
    images = [stack.crop((0, i * height, width, (i + 1) * height)) for i in range(len(pictures))]
    durations = [1000 * seconds // len(images)] * (len(images) - 1) + [1000 * rest]
    file = io.BytesIO()
    options = dict(save_all=True, default_image=True, append_images=images, duration=durations, loop=loop)
    images[-1].save(file, format="PNG", **options)
    return file.getvalue()


def show_panel(redraw, **controls):
    """Show widgets beside what `redraw(name=value, ...)` shows; each change of a widget redraws it."""
    from ipywidgets import HBox, VBox, interactive_output

    for name, control in controls.items():
        control.description = name.replace("_", " ")
        control.style.description_width = "90px"
        control.continuous_update = False  # a slider redraws when it is let go
    display(HBox([VBox(list(controls.values())), interactive_output(redraw, controls)]))
