"""Data for the notebooks: what scikit-learn draws, and the real MNIST.

    make_circles     two noisy rings, split and scaled
    load_mnist       70,000 handwritten digits

Both return `train, test`, each a pair `(x, y)` of NumPy arrays:
x float32 `(n, d)`, y int32 `(n,)`.
"""

import contextlib
import gzip
import hashlib
import http.client
import io
import math
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

# Shape, and SHA-256 once uncompressed: a .gz of the same bytes differs with the tool that made it.
FILES = {
    "train-images-idx3-ubyte": (
        (60_000, 28, 28),
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "train-labels-idx1-ubyte": (
        (60_000,),
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "t10k-images-idx3-ubyte": (
        (10_000, 28, 28),
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "t10k-labels-idx1-ubyte": (
        (10_000,),
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}

DOWNLOAD_LIMIT = 16_000_000  # bytes; the largest of the four has 9,719,438


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
    published one, and OSError where it is missing and cannot be downloaded or written.

    Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".
    """
    return _load_mnist_part(folder, "train"), _load_mnist_part(folder, "t10k")


def _load_mnist_part(folder, part):
    images = _load_array(Path(folder) / f"{part}-images-idx3-ubyte.gz")
    labels = _load_array(Path(folder) / f"{part}-labels-idx1-ubyte.gz")
    x = images.reshape(len(images), -1).astype(np.float32)
    x /= 255  # in place: np.divide(..., dtype=np.float32) converts in small pieces and takes ten times as long
    return x, labels.astype(np.int32)


def _load_array(path):
    """Read one of the four files, after fetching it where it is missing."""
    if not path.exists():
        _download(path)
    try:
        return _decode(path.stem, path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not the published file: {error}; delete it and load again") from error


def _decode(name, compressed):
    """Uncompress one of the four files, read its array, and check it against what was published."""
    shape, checksum = FILES[name]
    size = 4 + 4 * len(shape) + math.prod(shape)
    try:
        with gzip.open(io.BytesIO(compressed)) as file:
            content = file.read(size + 1)  # one more than there should be, however much it would unpack to
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"it must be a whole gzip file, got {error}") from error
    values = _read_idx(content)
    if values.shape != shape:
        raise ValueError(f"its array must have shape {shape}, got {values.shape}")
    found = hashlib.sha256(content).hexdigest()
    if found != checksum:
        raise ValueError(f"its SHA-256 must be {checksum}, got {found}")
    return values


def _read_idx(content):
    """Decode an IDX file: two zeros, a type code, the number of axes, their lengths, the values."""
    if content[:3] != b"\x00\x00\x08":
        raise ValueError(f"an IDX file of bytes must begin with 00 00 08, got {content[:3].hex(' ') or 'nothing'}")
    axes = int.from_bytes(content[3:4])
    header, values = content[4 : 4 + 4 * axes], content[4 + 4 * axes :]
    shape = tuple(int.from_bytes(header[i : i + 4]) for i in range(0, 4 * axes, 4))
    if len(header) < 4 * axes or len(values) != math.prod(shape):
        raise ValueError(f"an IDX file of shape {shape} must hold {math.prod(shape)} values, got {len(values)}")
    return np.frombuffer(values, np.uint8).reshape(shape)


def _download(path):
    """Fetch one file from the first mirror that has it; it takes its name only once it is checked."""
    failures = []
    for mirror in MIRRORS:
        try:
            compressed = _fetch(mirror + path.name)
            _decode(path.stem, compressed)
        except (OSError, http.client.HTTPException, ValueError) as error:
            failures.append(f"{mirror}: {error}")
            continue
        return _write(path, compressed)
    raise OSError(
        f"{path} is missing and could not be downloaded; put it there by hand, or try again with a network. "
        "Tried " + "; ".join(failures)
    )


def _fetch(address):
    """Return what an https address holds, up to DOWNLOAD_LIMIT bytes."""
    with urllib.request.urlopen(address, timeout=30) as response:
        if not response.url.startswith("https://"):
            raise ValueError(f"the download must come over https, got {response.url}")
        compressed = response.read(DOWNLOAD_LIMIT + 1)
    if len(compressed) > DOWNLOAD_LIMIT:
        raise ValueError(f"the download must be at most {DOWNLOAD_LIMIT} bytes, got more")
    return compressed


def _write(path, content):
    """Write a file under a temporary name of this process, and rename it: no half file ever has its name."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(
            f"{path} was downloaded and cannot be written ({error}): make {path.parent} writable, "
            "or give load_mnist another folder"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
