"""A kernel that rounds the inputs of every matrix product, as GPUs and TPUs do unless float32 is asked for.

The first argument is the bits that stay after the leading one: 10 as in TF32, 7 as in bfloat16.
The others are ipykernel's.
"""

import sys

import numpy as np
from ipykernel.kernelapp import launch_new_instance
from jax import lax
from jax._src.lax.lax import dot_general_p

BITS, EXACT = int(sys.argv.pop(1)), (lax.Precision.HIGH, lax.Precision.HIGHEST)
bind = dot_general_p.bind


def rounded(x, y, *rest, precision, **options):
    asked = precision[0] if isinstance(precision, tuple) else precision
    if asked not in EXACT and x.dtype == y.dtype == np.float32:
        x, y = (lax.reduce_precision(each, exponent_bits=8, mantissa_bits=BITS) for each in (x, y))
    return bind(x, y, *rest, precision=precision, **options)


dot_general_p.bind = rounded
launch_new_instance()
