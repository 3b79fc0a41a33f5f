"""Sentences of the text that hold for the notebook's own constants and may not hold for a reader's.

claim    check a sentence; say so if it no longer holds
"""

import os


def claim(sentence, holds):
    """Check a sentence of the text, and print one line if it no longer holds.

    sentence: what the text says, such as "the loss falls to the noise".
    holds: whether it is true, a bool.

    A claim that holds prints nothing. For a reader who changed a constant, one that fails prints its
    sentence, and the notebook goes on. Where the environment variable `CLAIMS` is "strict", as in tests
    and when the notebooks are stored, it raises AssertionError with the sentence instead.
    """
    if holds:
        return
    if os.environ.get("CLAIMS") == "strict":
        raise AssertionError(f"this claim of the text does not hold: {sentence}")
    print(f"This sentence of the text no longer holds for your values: {sentence}.")
