"""Only `pytest tests/browser` looks into that folder; the other tests need no browser and no site."""

collect_ignore = ["browser"]
