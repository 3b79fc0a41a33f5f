"""Take the README's pictures from the stored notebooks: one that moves, and a small still of each notebook."""

import base64
import io

import nbformat
from PIL import Image

from tools import NOTEBOOKS, ROOT, code_cells, write

for path in NOTEBOOKS:
    (cell,) = code_cells(nbformat.read(path, as_version=4), "front")
    picture = next(output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {}))
    png = base64.b64decode(picture)
    if path.stem == "02_xor":
        write(ROOT / "docs" / "front.png", png)
    still = Image.open(io.BytesIO(png)).convert("RGB")  # an animation opens with its still, which is its last frame
    still.thumbnail((400, 400), Image.Resampling.LANCZOS)  # twice the size at which it is shown, for sharp screens
    file = io.BytesIO()
    still.quantize(64).save(file, "PNG", optimize=True)
    write(ROOT / "docs" / f"{path.stem[:2]}.png", file.getvalue())
