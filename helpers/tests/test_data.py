"""The loaders against scikit-learn and against files written here; bad files against the words of their errors."""

import gzip
import shutil
import urllib.error

import numpy as np
import pytest
from sklearn import datasets
from sklearn.model_selection import train_test_split

from helpers import data

LABELS = "t10k-labels-idx1-ubyte"


@pytest.fixture(scope="module")
def mnist():
    return data.load_mnist()


def test_make_circles_is_scikit_learns_scaled_by_the_training_rows():
    x, y = datasets.make_circles(n_samples=200, noise=0.2, factor=0.5, random_state=1337)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=42)
    train, test = data.make_circles()
    np.testing.assert_allclose(train[0], (x_train - x_train.mean(0)) / x_train.std(0), atol=1e-6)
    np.testing.assert_allclose(test[0], (x_test - x_train.mean(0)) / x_train.std(0), atol=1e-6)
    np.testing.assert_array_equal(train[1], y_train)
    np.testing.assert_array_equal(test[1], y_test)
    assert {part.dtype.name for part in (train[0], test[0])} == {"float32"}
    assert {part.dtype.name for part in (train[1], test[1])} == {"int32"}


def test_make_circles_takes_size_and_noise():
    (x, _), (x_test, _) = data.make_circles(n=50, noise=0.0)
    assert (len(x), len(x_test)) == (35, 15)
    assert len(np.unique(np.hypot(*x.T).round(1))) < len(x)


def test_load_mnist_shapes_types_and_ranges(mnist):
    (x_train, y_train), (x_test, y_test) = mnist
    assert x_train.shape == (60_000, 784) and x_test.shape == (10_000, 784)
    assert y_train.shape == (60_000,) and y_test.shape == (10_000,)
    assert x_train.dtype == x_test.dtype == np.float32 and y_train.dtype == y_test.dtype == np.int32
    assert x_train.min() == x_test.min() == 0 and x_train.max() == x_test.max() == 1


def test_load_mnist_is_the_published_data(mnist):
    (x_train, y_train), (x_test, y_test) = mnist
    # The counts and the mean and deviation of the pixels are widely published.
    assert np.bincount(y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert x_train.mean(dtype=float) == pytest.approx(0.1307, abs=1e-4)
    assert x_train.std(dtype=float) == pytest.approx(0.3081, abs=1e-4)


@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 3, 5)])
def test_read_idx_reads_what_was_written(shape):
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    header = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
    np.testing.assert_array_equal(data._read_idx(header + values.tobytes()), values)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"\x00\x00\x0d\x01\x00\x00\x00\x01x", "must begin with 00 00 08, got 00 00 0d"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x02x", r"of shape \(2,\) has 1 values"),
        (b"\x00", "must begin with 00 00 08"),
    ],
)
def test_read_idx_refuses(content, words):
    with pytest.raises(ValueError, match=words):
        data._read_idx(content)


def spoiled(content):
    return gzip.compress(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize(
    "spoil, words",
    [
        (spoiled, "its SHA-256 must be ff7bcfd4.*, got"),
        (lambda content: gzip.compress(content)[:-9], "is not a whole gzip file"),
        (lambda content: content, "is not a whole gzip file"),
    ],
    ids=["one bit changed", "cut short", "not compressed"],
)
def test_a_bad_file_is_refused_and_kept(tmp_path, spoil, words):
    path = tmp_path / f"{LABELS}.gz"
    bad = spoil(gzip.decompress((data.DATA / "mnist" / path.name).read_bytes()))
    path.write_bytes(bad)
    with pytest.raises(ValueError, match=words):
        data._verified_bytes(tmp_path, LABELS)
    assert path.read_bytes() == bad


@pytest.fixture
def mirrors(tmp_path, monkeypatch):
    """Two empty folders in place of the two mirrors."""
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    monkeypatch.setattr(data, "MIRRORS", tuple(f"{folder.as_uri()}/" for folder in folders))
    return folders


def test_a_missing_file_comes_from_the_first_mirror_that_has_it_whole(tmp_path, mirrors):
    original = data.DATA / "mnist" / f"{LABELS}.gz"
    (mirrors[0] / original.name).write_bytes(spoiled(gzip.decompress(original.read_bytes())))
    shutil.copy(original, mirrors[1])
    target = tmp_path / "mnist"
    assert data._verified_bytes(target, LABELS) == gzip.decompress(original.read_bytes())
    assert [path.name for path in target.iterdir()] == [original.name]


def test_a_file_that_no_mirror_has_is_named_with_the_mirrors(tmp_path, mirrors):
    (mirrors[0] / f"{LABELS}.gz").write_bytes(b"half a fi")
    with pytest.raises(OSError, match="is missing and could not be downloaded") as caught:
        data._verified_bytes(tmp_path / "mnist", LABELS)
    assert all(mirror in str(caught.value) for mirror in data.MIRRORS)
    assert f"{LABELS}.gz" in str(caught.value)
    assert not isinstance(caught.value, urllib.error.URLError)
    assert not (tmp_path / "mnist").exists()
