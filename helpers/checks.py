"""What `helpers.training` asks of its arguments, before JAX turns a slip into a wrong answer.

check_learning_rate    positive and finite
check_shapes           x and y of one batch fit together
count_rows             the number of rows that all arrays share
check_values           no NaN in the data, no label that is not a class
check_losses           no loss that is NaN or infinite

Each raises ValueError, the last one FloatingPointError, and says what was wrong, what would be right and what was got.
"""

import math
import weakref
from functools import partial
from numbers import Integral

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import checkify


def is_traced(tree):
    """Say whether a leaf is a tracer: inside `jit` and `vmap` there are no numbers to look at yet."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree))


def is_number(value):
    """Say whether a value is one real number, of Python, NumPy or JAX."""
    value = np.asarray(value)
    return value.ndim == 0 and any(jnp.issubdtype(value.dtype, kind) for kind in (jnp.integer, jnp.floating))


def check_learning_rate(learning_rate):
    if is_traced(learning_rate):
        return
    if not (is_number(learning_rate) and math.isfinite(learning_rate) and learning_rate > 0):
        raise ValueError(f"learning_rate must be a positive and finite number, got {learning_rate!r}")


def check_mass(mass):
    if not is_traced(mass) and not (is_number(mass) and 0 <= mass < 1):
        raise ValueError(f"mass must be a number in [0, 1), got {mass!r}")


def check_key(key):
    if not jax.dtypes.issubdtype(getattr(key, "dtype", None), jax.dtypes.prng_key) or key.shape:
        raise ValueError(f"key must be one typed key, as jax.random.key makes it, got {key!r}")


def check_epochs(epochs):
    if not isinstance(epochs, Integral) or epochs < 1:
        raise ValueError(f"epochs must be a whole number of at least 1, got {epochs!r}")


def check_batch_size(batch_size, n):
    if not isinstance(n, Integral) or n < 1:
        raise ValueError(f"n must be a whole number of at least 1, got {n!r}")
    if not isinstance(batch_size, Integral) or not 1 <= batch_size <= n:
        raise ValueError(f"batch_size must be a whole number in [1, {n}], got {batch_size!r}")


def check_shapes(batch):
    """Look at a pair x `(n, d)` and y; a single example and any other pytree are left to the loss."""
    if not (isinstance(batch, tuple | list) and len(batch) == 2 and np.ndim(batch[0]) > 1):
        return
    x, y = map(np.shape, batch)
    if y[:1] != x[:1]:
        raise ValueError(f"x and y must have the same number of rows, got shapes {x} and {y}")
    if x[0] == 0:
        raise ValueError(f"data must have at least one row, got x of shape {x}")
    if y[1:] == (1,):
        raise ValueError(
            f"y must have shape {y[:1]}, got {y}: with predictions of shape {y[:1]} "
            f"a column broadcasts to {(y[0], y[0])}; pass y[:, 0]"
        )


def count_rows(data):
    """Return n, the length of the first axis of each array in a pytree."""
    for path, leaf in jax.tree.leaves_with_path(data):
        if not isinstance(leaf, jax.Array | np.ndarray):
            where, kind = jax.tree_util.keystr(path), type(leaf).__name__
            raise ValueError(f"data{where} must be an array of NumPy or JAX, got a {kind}; jnp.asarray makes one")
    shapes = [array.shape for array in jax.tree.leaves(data)]
    if len({shape[:1] for shape in shapes}) != 1 or not shapes[0]:
        raise ValueError(f"all arrays in data must have the same number of rows, got shapes {shapes}")
    if shapes[0][0] == 0:
        raise ValueError(f"data must have at least one row, got shapes {shapes}")
    return shapes[0][0]


def check_values(params, data, *, loss_fn, batch_size):
    """Look for a NaN or an infinity in the data, and for integer labels `y (n,)` that are no class."""
    if is_traced((params, data)):
        return
    with jax.core.eval_context():  # looks at the numbers inside someone's `jit` as well
        for path, array in jax.tree.leaves_with_path(data):
            if jnp.issubdtype(array.dtype, jnp.floating):
                _check_finite(f"data{jax.tree_util.keystr(path)}", array)
        if isinstance(data, tuple | list) and len(data) == 2 and np.ndim(data[1]) == 1:
            if jnp.issubdtype(data[1].dtype, jnp.integer):
                _check_labels(*_try_labels(params, data, loss_fn=loss_fn, batch_size=batch_size))


_known_finite = weakref.WeakValueDictionary()  # by id: an array of JAX never changes, so one look is enough


def _check_finite(name, array):
    if _known_finite.get(id(array)) is array:
        return
    if not _all_finite(array):
        rows = np.unique(np.argwhere(~np.isfinite(jnp.asarray(array)))[:, 0])
        raise ValueError(
            f"{name} must be finite, got NaN or infinity in {len(rows)} of {len(array)} rows, the first is {rows[0]}"
        )
    if isinstance(array, jax.Array):
        _known_finite[id(array)] = array


@jax.jit
def _all_finite(array):
    return jnp.isfinite(array).all()


def _check_labels(lowest, highest, error):
    if lowest < 0:
        raise ValueError(f"labels must be at least 0, got {lowest}")
    if error.get():
        raise ValueError(f"labels must be below the number of classes, got {highest}: {error.get()}")


@partial(jax.jit, static_argnames=("loss_fn", "batch_size"))
def _try_labels(params, data, *, loss_fn, batch_size):
    """Return the smallest and the largest label, and whether the loss indexes out of bounds with the largest.

    Indexing in JAX never fails: `log_p[row, label]` counts a negative label from the end, and takes the last
    class for a label that is too large. `checkify` runs the loss with a check on each index.
    """
    x, y = data
    rows = jnp.full(batch_size, jnp.argmax(y))
    error, _ = checkify.checkify(loss_fn, errors=checkify.index_checks)(params, (x[rows], y[rows]))
    return y.min(), y.max(), error


def check_losses(losses):
    """Look at losses `(epochs, steps)` after the training."""
    if is_traced(losses):
        return
    losses = np.asarray(losses)
    wrong = np.argwhere(~np.isfinite(losses))
    if len(wrong):
        epoch, step = wrong[0]
        raise FloatingPointError(
            f"the loss became {losses[epoch, step]} in epoch {epoch + 1} of {len(losses)}, at its step {step + 1}: "
            "try a tenth of the learning rate; if that does not help, look in loss_fn for a division by zero, "
            "or the logarithm or square root of zero"
        )
