"""Compose the README's picture from the moving figure of each notebook, the cell tagged `front`, all in step."""

import base64
import io

import nbformat
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from helpers.plotting import moving_png
from tools import NOTEBOOKS, ROOT, write

WIDTH, HEIGHT, CAPTION, COLUMNS = 340, 214, 26, 3  # one panel, in pixels, and panels to a row
FRAMES = 30


def main():
    panels = [panel(path) for path in NOTEBOOKS]
    pictures = [compose([frames[i] for frames in panels]) for i in range(FRAMES)]
    png = moving_png(pictures, seconds=4, rest=2, loop=3, colors=96)
    write(ROOT / "docs" / "front.png", png)
    print(f"docs/front.png: {FRAMES} frames, {len(png) / 1e6:.2f} MB")


def panel(path):
    """Return a notebook's moving figure under its title, as so many images as the README's picture has."""
    notebook = nbformat.read(path, as_version=4)
    cell = next(cell for cell in notebook.cells if "front" in cell.metadata.get("tags", []))
    png = next(output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {}))
    figure = Image.open(io.BytesIO(base64.b64decode(png)))
    first = 1 if figure.n_frames > 1 else 0  # frame 0 is the default image
    images = []
    for i in np.linspace(first, figure.n_frames - 1, FRAMES).round().astype(int):
        figure.seek(i)
        frame = figure.convert("RGB")
        frame.thumbnail((WIDTH - 14, HEIGHT), Image.Resampling.LANCZOS)
        image = Image.new("RGB", (WIDTH, HEIGHT + CAPTION), "white")
        image.paste(frame, ((WIDTH - frame.width) // 2, CAPTION + (HEIGHT - frame.height) // 2))
        title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
        font = ImageFont.load_default(size=15)
        ImageDraw.Draw(image).text((WIDTH // 2, CAPTION // 2 + 2), title, fill="black", font=font, anchor="mm")
        images.append(image)
    return images


def compose(images):
    """Put the panels into rows, the last row centered; return the pixels."""
    rows = [images[i : i + COLUMNS] for i in range(0, len(images), COLUMNS)]
    picture = Image.new("RGB", (COLUMNS * WIDTH, len(rows) * (HEIGHT + CAPTION)), "white")
    for i, row in enumerate(rows):
        indent = (COLUMNS - len(row)) * WIDTH // 2
        for j, image in enumerate(row):
            picture.paste(image, (indent + j * WIDTH, i * (HEIGHT + CAPTION)))
    return np.asarray(picture)


if __name__ == "__main__":
    main()
