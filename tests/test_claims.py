"""A claim that holds is silent; one that fails is an error in tests and one line for a reader."""

import numpy as np
import pytest

from helpers.claims import claim

MORE, LESS = np.float32(2) > np.float32(1), np.float32(1) > np.float32(2)


def test_a_claim_that_fails_is_an_error_in_tests(capsys):
    claim("two is more than one", MORE)
    with pytest.raises(AssertionError, match="does not hold: one is more than two$"):
        claim("one is more than two", LESS)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("setting", [{}, {"CLAIMS": ""}])
def test_a_claim_that_fails_is_one_line_for_a_reader(monkeypatch, capsys, setting):
    monkeypatch.setattr("os.environ", setting)
    claim("two is more than one", MORE)
    claim("one is more than two", LESS)
    line = "This sentence of the text no longer holds for your values: one is more than two.\n"
    assert capsys.readouterr() == (line, "")
