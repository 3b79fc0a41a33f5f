"""The loaders against scikit-learn and a pinned checksum, and files that are damaged."""

import gzip
import hashlib
import subprocess
import sys

import numpy as np
import pytest
from sklearn import datasets
from sklearn.model_selection import train_test_split

from helpers.datasets import DATA, load_mnist, make_circles

IMAGES = "train-images-idx3-ubyte.gz"


@pytest.mark.parametrize("options, n, noise", [({}, 200, 0.2), ({"n": 50, "noise": 0.0}, 50, 0.0)])
def test_make_circles_is_scikit_learns_scaled_by_the_training_rows(options, n, noise):
    x, y = datasets.make_circles(n_samples=n, noise=noise, factor=0.5, random_state=1337)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=42)
    mean, deviation = x_train.mean(0), x_train.std(0)
    for (x, y), x_drawn, y_drawn in zip(make_circles(**options), (x_train, x_test), (y_train, y_test)):
        np.testing.assert_allclose(x, (x_drawn - mean) / deviation, atol=1e-6)
        np.testing.assert_array_equal(y, y_drawn)
        assert (x.dtype, y.dtype) == (np.float32, np.int32)


def test_load_mnist_is_the_published_data():
    content = hashlib.sha256()
    for x, y in load_mnist():
        assert (x.dtype, y.dtype, x.min(), x.max()) == (np.float32, np.int32, 0, 1)
        content.update(str((x.shape, y.shape)).encode())
        content.update(np.rint(255 * x).astype(np.uint8).tobytes() + y.astype(np.uint8).tobytes())
    assert content.hexdigest() == "cbff500abc7fd5f7d88e2c997ed9f91619a7cae288a8cbacc671d7a7b7192c00"


def test_load_mnist_works_from_any_folder_and_without_scikit_learn(tmp_path):
    code = (
        "import sys; from helpers.datasets import load_mnist; load_mnist(); print({'jax', 'sklearn'} & {*sys.modules})"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"  # to import them would cost every cold start a second


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-9],
        lambda content: content[:50] + content[60:],
        lambda content: content[:-5] + bytes([content[-5] ^ 1]) + content[-4:],  # one bit of gzip's checksum
        lambda content: gzip.compress(bytes(20)),
    ],
    ids=["empty", "cut", "ten bytes missing", "one bit flipped", "zeros"],
)
def test_a_damaged_file_is_named_with_the_way_to_bring_it_back(tmp_path, damage):
    (tmp_path / IMAGES).write_bytes(damage((DATA / "mnist" / IMAGES).read_bytes()))
    with pytest.raises(OSError, match=f"{IMAGES} is missing or damaged; `git checkout -- data` brings it back: ."):
        load_mnist(str(tmp_path))


def test_a_missing_file_is_named_with_the_way_to_bring_it_back(tmp_path):
    with pytest.raises(OSError, match=f"{IMAGES} is missing .*`git checkout -- data`.* No such file"):
        load_mnist(str(tmp_path))
