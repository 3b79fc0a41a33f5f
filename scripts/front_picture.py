"""Compose the README's picture from one stored figure of each notebook: the cell tagged `front`."""

import base64
import io
from pathlib import Path

import nbformat
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parent.parent
WIDTH, HEIGHT, CAPTION, COLUMNS = 620, 400, 40, 3  # one panel, in pixels, and panels to a row


def main():
    panels = [panel(path) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    rows = [panels[i : i + COLUMNS] for i in range(0, len(panels), COLUMNS)]
    picture = Image.new("RGB", (COLUMNS * WIDTH, len(rows) * (HEIGHT + CAPTION)), "white")
    for i, row in enumerate(rows):
        indent = (COLUMNS - len(row)) * WIDTH // 2
        for j, image in enumerate(row):
            picture.paste(image, (indent + j * WIDTH, i * (HEIGHT + CAPTION)))
    (ROOT / "docs").mkdir(exist_ok=True)
    picture.save(ROOT / "docs" / "front.png", optimize=True)


def panel(path):
    """Return a notebook's front figure under its title."""
    notebook = nbformat.read(path, as_version=4)
    title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
    cell = next(cell for cell in notebook.cells if "front" in cell.metadata.get("tags", []))
    png = next(output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {}))
    figure = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    figure.thumbnail((WIDTH - 20, HEIGHT - 20), Image.Resampling.LANCZOS)

    image = Image.new("RGB", (WIDTH, HEIGHT + CAPTION), "white")
    image.paste(figure, ((WIDTH - figure.width) // 2, CAPTION + (HEIGHT - figure.height) // 2))
    font = ImageFont.load_default(size=22)
    ImageDraw.Draw(image).text((WIDTH // 2, CAPTION // 2 + 6), title, fill="black", font=font, anchor="mm")
    return image


if __name__ == "__main__":
    main()
