"""Data for the notebooks: what scikit-learn draws, and the real MNIST.

    make_circles     two noisy rings, split and scaled
    load_mnist       70,000 handwritten digits

Both return `train, test`, each a pair `(x, y)` of NumPy arrays:
x float32 `(n, d)`, y int32 `(n,)`.
"""

import gzip
import hashlib
import os
import urllib.request
import zlib
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parent.parent / "data"

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)

# SHA-256 of each file once uncompressed: a .gz of the same bytes differs with the tool that made it.
CHECKSUMS = {
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

    A file that is not in `folder` is downloaded. Raises ValueError where a file is not the
    published one, and OSError where it is missing and no mirror can be reached.

    Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".
    """
    return _load_mnist_part(folder, "train"), _load_mnist_part(folder, "t10k")


def _load_mnist_part(folder, part):
    images = _read_idx(_verified_bytes(Path(folder), f"{part}-images-idx3-ubyte"))
    labels = _read_idx(_verified_bytes(Path(folder), f"{part}-labels-idx1-ubyte"))
    x = np.divide(images.reshape(len(images), -1), 255, dtype=np.float32)
    return x, labels.astype(np.int32)


def _read_idx(content):
    """Decode an IDX file: two zeros, a type code, the number of axes, their lengths, the values."""
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise ValueError(f"an IDX file of bytes must begin with 00 00 08, got {content[:3].hex(' ')}")
    axes = content[3]
    shape = np.frombuffer(content, ">u4", count=axes, offset=4)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * axes)
    if values.size != np.prod(shape, dtype=int):
        raise ValueError(f"an IDX file of shape {tuple(map(int, shape))} has {values.size} values")
    return values.reshape(shape)


def _verified_bytes(folder, name):
    """Return one file's content, uncompressed and checked against its SHA-256."""
    path = folder / f"{name}.gz"
    if not path.exists():
        _download(path)
    try:
        content = gzip.decompress(path.read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is not a whole gzip file ({error}): delete it and load again") from error
    _check_sum(name, content, path)
    return content


def _check_sum(name, content, origin):
    found = hashlib.sha256(content).hexdigest()
    if found != CHECKSUMS[name]:
        raise ValueError(
            f"{origin} is not the published MNIST: its SHA-256 must be {CHECKSUMS[name]}, got {found}; "
            "delete the file and load again"
        )


def _download(path):
    """Fetch one file from the first mirror that has it; it takes its name only once it is checked."""
    failures = []
    for mirror in MIRRORS:
        try:
            with urllib.request.urlopen(mirror + path.name, timeout=30) as response:
                compressed = response.read()
            _check_sum(path.stem, gzip.decompress(compressed), mirror + path.name)
        except (OSError, EOFError, zlib.error, ValueError) as error:
            failures.append(f"{mirror}: {error}")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        temporary.write_bytes(compressed)
        os.replace(temporary, path)
        return
    raise OSError(
        f"{path} is missing and could not be downloaded; put it there by hand, or try again with a network. "
        "Tried " + "; ".join(failures)
    )
