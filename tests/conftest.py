"""Only `pytest tests/browser` looks into that folder; the other tests need no browser and no site."""

collect_ignore = ["browser"]


def pytest_configure(config):
    # The oldest matplotlib of the range calls functions of pyparsing that the newest pyparsing has deprecated.
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:matplotlib|pyparsing")
