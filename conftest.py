"""Every test runs with strict claims, in the kernels of the notebooks too."""

import os

os.environ["CLAIMS"] = "strict"
collect_ignore = ["tests/browser"]  # only `pytest tests/browser` looks into it; the other tests need no browser
