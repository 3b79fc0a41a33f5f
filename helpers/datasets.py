"""The data that the notebooks do not draw themselves: `load_mnist` reads 70,000 handwritten digits."""

import gzip
import zlib
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parent.parent / "data"


def load_mnist(folder=DATA / "mnist"):
    """Read MNIST, 60,000 images of handwritten digits for training and 10,000 for testing.

    Returns `train, test`, each a pair `(x, y)` of NumPy arrays: x float32 `(n, 784)`, the pixels of 28 x 28 images row
    by row, from 0 (paper) to 1 (ink), and y int32 `(n,)`, the digits 0 to 9. Raises OSError if a file is missing or
    damaged.

    Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".
    """
    return _load_part(Path(folder), "train"), _load_part(Path(folder), "t10k")


def _load_part(folder, part):
    images = _load_array(folder / f"{part}-images-idx3-ubyte.gz")
    labels = _load_array(folder / f"{part}-labels-idx1-ubyte.gz")
    x = images.reshape(len(images), -1).astype(np.float32)
    x /= 255  # in place, because a second array of this size would take another 190 MB
    return x, labels.astype(np.int32)


def _load_array(path):
    # An IDX file of bytes: byte 3 is the number of axes, each axis has its length in four bytes, and the values follow.
    try:
        content = gzip.decompress(path.read_bytes())
        axes = content[3]
        shape = np.frombuffer(content, ">i4", axes, offset=4)
        return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
    except (OSError, EOFError, zlib.error, ValueError, IndexError) as error:
        raise OSError(f"{path} is missing or damaged; `git checkout -- data` brings it back: {error}") from error
