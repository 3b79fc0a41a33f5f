"""The loaders against scikit-learn and published numbers, and files that are not MNIST's."""

import gzip
import subprocess
import sys

import numpy as np
import pytest
from sklearn import datasets
from sklearn.model_selection import train_test_split

from helpers.datasets import DATA, _load_array, load_mnist, make_circles

LABELS, OTHER_LABELS = "train-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte.gz"


def test_make_circles_is_scikit_learns_scaled_by_the_training_rows():
    x, y = datasets.make_circles(n_samples=200, noise=0.2, factor=0.5, random_state=1337)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=42)
    train, test = make_circles()
    np.testing.assert_allclose(train[0], (x_train - x_train.mean(0)) / x_train.std(0), atol=1e-6)
    np.testing.assert_allclose(test[0], (x_test - x_train.mean(0)) / x_train.std(0), atol=1e-6)
    np.testing.assert_array_equal(train[1], y_train)
    np.testing.assert_array_equal(test[1], y_test)
    assert {x.dtype.name for x, _ in (train, test)} == {"float32"}
    assert {y.dtype.name for _, y in (train, test)} == {"int32"}


def test_make_circles_takes_size_and_noise():
    (x, _), (x_test, _) = make_circles(n=50, noise=0.0)
    assert (len(x), len(x_test)) == (35, 15)
    assert len(np.unique(np.hypot(*x.T).round(1))) < len(x)


def test_load_mnist_is_the_published_data():
    (x_train, y_train), (x_test, y_test) = load_mnist()
    assert x_train.shape == (60_000, 784) and x_test.shape == (10_000, 784)
    assert x_train.dtype == x_test.dtype == np.float32 and y_train.dtype == y_test.dtype == np.int32
    assert x_train.min() == x_test.min() == 0 and x_train.max() == x_test.max() == 1
    # The counts and the mean and deviation of the pixels are widely published.
    assert np.bincount(y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert x_train.mean(dtype=float) == pytest.approx(0.1307, abs=1e-4)
    assert x_train.std(dtype=float) == pytest.approx(0.3081, abs=1e-4)


def test_load_mnist_works_from_any_folder_and_without_scikit_learn(tmp_path):
    code = (
        "import sys; from helpers.datasets import load_mnist; load_mnist(); print({'jax', 'sklearn'} & {*sys.modules})"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n", run.stdout  # they would cost every cold start a second


def published(name=LABELS):
    return gzip.decompress((DATA / "mnist" / name).read_bytes())


def flip(content, i):
    return content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :]


WHOLE = gzip.compress(published())


@pytest.mark.parametrize(
    "content",
    [
        *(WHOLE[:n] for n in (0, 1, 5, 12, 100, -9, -8, -1)),
        *(flip(WHOLE, i) for i in (0, 1000, -5)),
        *(gzip.compress(flip(published(), i)) for i in (3, 5000)),
        gzip.compress(published() + b"\0"),
        gzip.compress(published(OTHER_LABELS)),
        published(),
    ],
    ids=[*["cut"] * 8, *["flipped"] * 5, "longer", "swapped", "unpacked"],
)
def test_a_damaged_file_is_named_with_the_way_to_bring_it_back(tmp_path, content):
    (tmp_path / LABELS).write_bytes(content)
    with pytest.raises(OSError, match=f"{LABELS} is missing or damaged; `git checkout -- data` brings it back: ."):
        _load_array(tmp_path / LABELS)


def test_a_missing_file_is_named_with_the_way_to_bring_it_back(tmp_path):
    with pytest.raises(OSError, match="train-images-idx3-ubyte.gz is missing .*`git checkout -- data`.* No such file"):
        load_mnist(str(tmp_path))
