"""Data sets as NumPy arrays.

make_circles    two noisy rings, split and scaled
load_mnist      70,000 handwritten digits

Both return `train, test`, each a pair `(x, y)` with x float32 `(n, d)` and y int32 `(n,)`.
"""

import gzip
import zlib
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parent.parent / "data"


def make_circles(n=200, noise=0.2):
    """Draw two noisy rings, hold out 30% of the rows for testing, and scale the features.

    n: the number of points in both sets together. noise: standard deviation of the noise in each coordinate.

    Class 0 is the outer ring, of radius 1, and class 1 the inner one, of radius 1/2. The features of both sets are
    standardized by the mean and the standard deviation of the training set.
    """
    # Importing scikit-learn takes longer than importing JAX, and MNIST does not need it.
    from sklearn import datasets
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    x, y = datasets.make_circles(n_samples=n, noise=noise, factor=0.5, random_state=1337)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=42)
    scaler = StandardScaler().fit(x_train)
    train = scaler.transform(x_train).astype(np.float32), y_train.astype(np.int32)
    test = scaler.transform(x_test).astype(np.float32), y_test.astype(np.int32)
    return train, test


def load_mnist(folder=DATA / "mnist"):
    """Read MNIST: 60,000 images of handwritten digits for training and 10,000 for testing.

    x: `(60_000, 784)` and `(10_000, 784)`, the pixels of 28 x 28 images row by row, from 0 (paper) to 1 (ink).
    y: the digits, 0 to 9. Raises OSError if a file is missing or damaged.

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
