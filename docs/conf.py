"""The site: the README as its front page, the notebooks as they are stored, and the helpers they use.

`make html` runs Sphinx on the root of the repository, so that links between files work on the site too.
"""

import json
import re

from docutils import nodes
from docutils.writers.html5_polyglot import HTMLTranslator
from sphinx.transforms import SphinxTransform

project = html_title = "JAX from scratch"
root_doc = "README"
include_patterns = ["*.md", "notebooks/*.ipynb", "data/*.md", "helpers/[!_]*.py", "tests/test_distributed.py"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb", ".py": "myst-nb"}
extensions = ["myst_nb", "sphinx_copybutton"]

nb_execution_mode = "off"
nb_ipywidgets_js = {}  # sliders need a kernel, and their scripts would come from another host
myst_enable_extensions = ["dollarmath", "html_image"]
myst_heading_anchors = 3

html_theme = "furo"
pygments_dark_style = "a11y-dark"  # a contrast of 4.5 and more, like that of Furo's light style
html_math_renderer = "mathml"
html_favicon = "icon.svg"
html_static_path = html_css_files = ["site.css"]
html_copy_source = html_use_index = html_show_copyright = False

CONTENTS = """
```{toctree}
:hidden:
:glob:
notebooks/*
helpers/*
tests/test_distributed
data/README
CONTRIBUTING
```"""


def prepare(app, docname, source):
    """Give the front page its contents, show Python files as code, and prepare notebooks."""
    if docname == "README":  # its badges come from other hosts
        source[0] = re.sub(r"\[!\[[^]]*]\(https:.*?\)]\(.*?\)", "", source[0]) + CONTENTS
    elif docname.startswith(("helpers/", "tests/")):
        source[0] = f"# {docname}.py\n\n~~~~python\n{source[0]}\n~~~~\n"
    elif docname.startswith("notebooks/"):
        notebook = json.loads(source[0])
        notebook["cells"] = [cell for cell in notebook["cells"] if "colab" not in cell["metadata"].get("tags", [])]
        for cell in notebook["cells"]:
            cell["metadata"]["mystnb"] = options_of(cell)
        source[0] = json.dumps(notebook)


def options_of(cell):
    """Return MyST-NB's options for a cell: the title under which it is folded, and its figure's alt text."""
    options = {}
    if "hide-input" in cell["metadata"].get("tags", []):
        title = cell["source"][0].removeprefix("# @title").strip()
        options = {"code_prompt_show": f"Show code: {title}", "code_prompt_hide": f"Hide code: {title}"}
    for output in cell.get("outputs", []):
        if alt := output.get("metadata", {}).get("image/png", {}).get("alt"):
            options["image"] = {"alt": alt}
        if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
            output["data"] = {"text/markdown": "*The sliders are here when the notebook runs.*"}
    return options


class FoldSolutions(SphinxTransform):
    default_priority = 800  # before Sphinx collects the headings, at 880

    def apply(self):
        for section in list(self.document.findall(nodes.section)):
            if section[0].astext() == "Solution":
                start = nodes.raw("", "<details><summary>Solution</summary>", format="html")
                section.replace_self([start, *section[1:], nodes.raw("", "</details>", format="html")])


def visit_math(translator, node):
    """Write formulas as MathML, which browsers show without JavaScript."""
    translator.math_output, translator.math_options = "mathml", ""
    HTMLTranslator.visit_math(translator, node)


def setup(app):
    app.connect("source-read", prepare)
    app.add_transform(FoldSolutions)
    math = visit_math, HTMLTranslator.depart_math
    app.add_html_math_renderer("mathml", inline_renderers=math, block_renderers=math)
