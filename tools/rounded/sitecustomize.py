"""Rounds the inputs of matrix products, as GPUs and TPUs do unless float32 is asked for.

Python imports this file when PYTHONPATH has its folder. ROUNDED_BITS is 10 for TF32 and 7 for bfloat16.
"""

import os

import numpy as np
from jax import lax
from jax._src.lax.lax import dot_general_p

bind, BITS = dot_general_p.bind, int(os.environ["ROUNDED_BITS"])


def rounded(x, y, *rest, precision, **options):
    asked = precision[0] if isinstance(precision, tuple) else precision
    if asked not in (lax.Precision.HIGH, lax.Precision.HIGHEST) and x.dtype == y.dtype == np.float32:
        x, y = (lax.reduce_precision(each, exponent_bits=8, mantissa_bits=BITS) for each in (x, y))
    return bind(x, y, *rest, precision=precision, **options)


dot_general_p.bind = rounded
