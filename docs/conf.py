"""The site: the notebooks as they are stored, the README as the front page, and the helpers that they name.

`make html` calls Sphinx on the root of the repository, so that the links between the files hold on the site.
"""

import base64
import hashlib
import json
from pathlib import PurePath

from docutils import nodes
from docutils.parsers import Parser
from docutils.writers.html5_polyglot import HTMLTranslator
from sphinx.transforms import SphinxTransform

project = "JAX from scratch"
root_doc = "README"
include_patterns = [
    "README.md",
    "notebooks/*.ipynb",
    "helpers/[!_]*.py",
    "tests/test_distributed.py",
    "data/README.md",
]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb", ".py": "python"}
extensions = ["myst_nb", "sphinx_copybutton"]

nb_execution_mode = "off"
nb_ipywidgets_js = {}  # widgets need a kernel, and their JavaScript would come from another host
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

html_theme = "furo"
pygments_dark_style = "a11y-dark"  # a contrast of 4.5 and more, as the light one that Furo brings
html_title = project
html_math_renderer = "mathml"
html_favicon = "icon.svg"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_use_index = False
html_show_copyright = False

READING_ORDER = """
```{toctree}
:hidden:
:glob:
notebooks/*
```

```{toctree}
:hidden:
:caption: Beside them
helpers/datasets
helpers/training
helpers/plotting
helpers/pad
tests/test_distributed
data/README
```
"""


class Source(Parser):
    """Shows a Python file, so that a link to it leads to a page."""

    supported = ("python",)

    def parse(self, inputstring, document):
        path = document.settings.env.current_document.docname + ".py"
        section = nodes.section("", nodes.title("", path), ids=["source"])
        section += nodes.literal_block(inputstring, inputstring, language="python")
        document += section


ALTS = {}  # alt texts of the notebooks' pictures, by the SHA-256 of the picture, which is the name of MyST-NB's file


class AsInJupyter(SphinxTransform):
    """Folds the solutions of the exercises, gives pictures their alt texts, and says where sliders would be."""

    default_priority = 800  # before Sphinx collects the headings, at 880

    def apply(self):
        for raw in list(self.document.findall(nodes.raw)):
            if "jupyter.widget-view" in raw.astext():
                text = "The sliders are here when the notebook runs."
                raw.replace_self(nodes.paragraph("", "", nodes.emphasis("", text)))
        for image in self.document.findall(nodes.image):
            image["alt"] = ALTS.get(PurePath(image["uri"]).stem, image.get("alt", ""))
        for section in list(self.document.findall(nodes.section)):
            if section[0].astext() == "Solution":
                start = nodes.raw("", "<details><summary>Solution</summary>", format="html")
                end = nodes.raw("", "</details>", format="html")
                section.replace_self([start, *section[1:], end])


def prepare(app, docname, source):
    """Give the front page its contents; leave out a notebook's cell for Colab, and name what is folded and drawn."""
    if docname == root_doc:
        source[0] += READING_ORDER
    elif docname.startswith("notebooks/"):
        notebook = json.loads(source[0])
        notebook["cells"] = [cell for cell in notebook["cells"] if "colab" not in cell["metadata"].get("tags", [])]
        for cell in notebook["cells"]:
            if "hide-input" in cell["metadata"].get("tags", []):
                title = cell["source"][0].removeprefix("# @title").strip()
                prompts = {f"code_prompt_{what}": f"{what.capitalize()} code: {title}" for what in ("show", "hide")}
                cell["metadata"]["mystnb"] = prompts
            for output in cell.get("outputs", []):
                if alt := output.get("metadata", {}).get("image/png", {}).get("alt"):
                    picture = base64.b64decode("".join(output["data"]["image/png"]))
                    ALTS[hashlib.sha256(picture).hexdigest()] = alt
        source[0] = json.dumps(notebook)


def visit_math(translator, node):
    translator.math_output, translator.math_options = "mathml", ""
    HTMLTranslator.visit_math(translator, node)


def setup(app):
    app.add_source_parser(Source)
    app.add_transform(AsInJupyter)
    app.connect("source-read", prepare)
    # docutils itself writes MathML, which every browser shows without JavaScript.
    math = visit_math, HTMLTranslator.depart_math
    app.add_html_math_renderer("mathml", inline_renderers=math, block_renderers=math)
