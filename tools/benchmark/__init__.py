"""How fast the notebooks' training is beside other ways, and what a reader waits for: `python -m tools.benchmark`."""
