"""Data for the notebooks: what scikit-learn draws, and the real MNIST.

make_circles    two noisy rings, split and scaled
load_mnist      70,000 handwritten digits

Both return `train, test`, each a pair `(x, y)` of NumPy arrays: x float32 `(n, d)`, y int32 `(n,)`.
"""

import gzip
import hashlib
import zlib
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parent.parent / "data"

# The SHA-256 of each file's content, once uncompressed.
MNIST = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def make_circles(n=200, noise=0.2):
    """Draw two noisy rings, hold out 30% of the rows for testing, and scale the features.

    The outer ring is class 0 and the inner one, half as wide, class 1. The mean and the
    standard deviation that scale all rows come from the training rows alone.

    Source: `sklearn.datasets.make_circles(factor=0.5, random_state=1337)`,
    split by `train_test_split(test_size=0.3, random_state=42)`.
    """
    # Imported here because it takes longer than jax, and MNIST does not need it.
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
    """Read MNIST: 60,000 images of handwritten digits to train on and 10,000 to test on.

    x: `(60_000, 784)` and `(10_000, 784)`, the rows of 28 x 28 pixels, 0 for paper to 1 for ink.
    y: the digits, 0 to 9.

    Raises OSError where a file is missing or is not the published one.

    Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".
    """
    return _load_part(Path(folder), "train"), _load_part(Path(folder), "t10k")


def _load_part(folder, part):
    images = _load_array(folder / f"{part}-images-idx3-ubyte.gz")
    labels = _load_array(folder / f"{part}-labels-idx1-ubyte.gz")
    x = images.reshape(len(images), -1).astype(np.float32)
    x /= 255  # in place: np.divide(..., dtype=np.float32) converts in small pieces and takes ten times as long
    return x, labels.astype(np.int32)


def _load_array(path):
    """Read an IDX file of bytes: byte 3 counts the axes, four bytes for each say its length, and the values follow."""
    try:
        content = gzip.decompress(path.read_bytes())
        if hashlib.sha256(content).hexdigest() != MNIST[path.stem]:
            raise OSError("its SHA-256 is not that of the published file")
    except (OSError, EOFError, zlib.error) as error:
        raise OSError(f"{path} is missing or damaged; `git checkout -- data` brings it back: {error}") from error
    axes = content[3]
    shape = np.frombuffer(content, ">i4", axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
