"""A pad to draw a digit on, which a trained network answers.

show_pad    shows it below a cell

It is one piece of HTML that holds the network and its own script (`pad.js`), so it needs no kernel: it works in
JupyterLab, in Colab, in VS Code and on a page of the site alike. anywidget would be the field's way to write it, but
its widgets are drawn by a manager that a page without a kernel has to load from another host.
"""

import base64
import io
import json
from pathlib import Path
from uuid import uuid4

import numpy as np
from IPython.display import display
from matplotlib.figure import Figure

SCRIPT = Path(__file__).with_suffix(".js")


def show_pad(layers, image):
    """Show a pad to draw a digit on, and ten bars with what the network makes of the drawing.

    layers: list of dicts `{"w": (d, h), "b": (h,)}` of arrays, with ReLU between them and softmax after the last,
        from 784 pixels to 10 digits. The pad rounds them to float16.
    image: `(784,)`, 0 for paper to 1 for ink. It stands on the pad where scripts do not run, with its answer.

    Raises ValueError where the layers do not fit together, or hold a number that float16 does not.
    """
    with np.errstate(over="ignore"):  # found below
        layers = [{name: np.asarray(layer[name]).astype("<f2") for name in "wb"} for layer in layers]
    _check_layers(layers)
    picture, alt = _draw_picture(layers, np.asarray(image))
    encoded = [{name: base64.b64encode(array.tobytes()).decode() for name, array in layer.items()} for layer in layers]
    name = f"pad-{uuid4().hex}"  # of its own for each pad, also where a notebook shows several
    html = f"""<div id="{name}"><img alt="{alt}" src="data:image/png;base64,{picture}">
<p>Run the notebook to draw here yourself.</p></div>
<script>(() => {{
{SCRIPT.read_text(encoding="utf-8")}
document.querySelectorAll("#{name}").forEach((root) => root.shadowRoot || startPad(root, {json.dumps(encoded)}));
}})();</script>"""
    display({"text/html": html, "text/plain": "<a pad to draw a digit on>"}, raw=True)


def _check_layers(layers):
    sizes = [784, *(layer["b"].size for layer in layers)]
    shapes = [layer["w"].shape for layer in layers]
    if shapes != list(zip(sizes, sizes[1:])) or sizes[-1] != 10:
        raise ValueError(f"layers must lead from 784 pixels to 10 digits, got w of shapes {shapes}, b of {sizes[1:]}")
    if not all(np.isfinite(array).all() for layer in layers for array in layer.values()):
        raise ValueError("layers must be finite in float16, which ends at 65504")


def _draw_picture(layers, image):
    """Return a PNG in base64 with what the network answers to an image, and the text that says it."""
    x = image
    for layer in layers:
        z = x @ layer["w"].astype(np.float32) + layer["b"]
        x = np.maximum(z, 0)
    powers = np.exp(z - z.max())
    probabilities = powers / powers.sum()
    best = probabilities.argmax()

    fig = Figure(figsize=(5.6, 2.8), layout="constrained")
    left, right = fig.subplots(1, 2)
    left.imshow(image.reshape(28, 28), cmap="gray_r")
    left.set(xticks=[], yticks=[])
    right.barh(range(10), np.ones(10), height=0.6, color="#ebebeb")
    right.barh(range(10), probabilities, height=0.6, color=np.where(np.arange(10) == best, "#D55E00", "#0072B2"))
    right.set(xticks=[], yticks=range(10), xlim=(0, 1), ylim=(9.5, -0.5))
    right.set_title(f"{best}, {probabilities[best]:.0%}", loc="left")
    right.tick_params(length=0)
    right.spines[:].set_visible(False)
    file = io.BytesIO()
    fig.savefig(file, format="png", dpi=100)
    alt = (
        f"A pad with a digit on it, and beside it ten bars: the network answers {best}, with {probabilities[best]:.0%}."
    )
    return base64.b64encode(file.getvalue()).decode(), alt
