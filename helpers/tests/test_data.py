"""The loaders against scikit-learn and against files written here; bad files against the words of their errors."""

import errno
import gzip
import io
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from sklearn import datasets
from sklearn.model_selection import train_test_split

from helpers import data

IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


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


def write_idx(values, kind=8):
    header = bytes([0, 0, kind, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    return header + values.tobytes()


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_read_idx_reads_what_was_written(shape, seed):
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    read = data._read_idx(write_idx(values))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, values)


def test_read_idx_reads_lengths_of_more_than_one_byte():
    assert data._read_idx(write_idx(np.zeros((259, 3), np.uint8))).shape == (259, 3)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"\x00\x00\x0d\x01\x00\x00\x00\x01x", "must begin with 00 00 08, got 00 00 0d$"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x02x", r"of shape \(2,\) must hold 2 values, got 1"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x02xyz", r"of shape \(2,\) must hold 2 values, got 3"),
        (b"\x00\x00\x08\x02\x00\x00\x00\x02xy", "an IDX file of shape .* values, got 0"),
        (b"\x00\x00\x08\x02\x00\x00\x00\x00\x00\x00\x00", "of shape"),
        (b"\x00\x00\x08", "of shape"),
        (b"\x00", "must begin with 00 00 08, got 00$"),
        (b"", "must begin with 00 00 08, got nothing"),
    ],
)
def test_read_idx_refuses(content, words):
    with pytest.raises(ValueError, match=words):
        data._read_idx(content)


def published(name=LABELS):
    """Return a file's uncompressed content."""
    return gzip.decompress((data.DATA / "mnist" / f"{name}.gz").read_bytes())


def with_last_bit_changed(content):
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda content: gzip.compress(content)[:-9], "it must be a whole gzip file, got Compressed file ended before"),
        (lambda content: gzip.compress(content)[:-8] + bytes(8), "it must be a whole gzip file, got CRC check failed"),
        (lambda content: content, "it must be a whole gzip file, got Not a gzipped file"),
        (lambda content: b"", "got nothing"),
        (lambda content: gzip.compress(b"\x00\x00\x09" + content[3:]), "must begin with 00 00 08, got 00 00 09"),
        (lambda content: gzip.compress(published("train-labels-idx1-ubyte")), "must hold 60000 values, got 10001"),
        (
            lambda content: gzip.compress(content[:4] + b"\x00\x00\x27\x0f" + content[8:-1]),
            r"\(10000,\), got \(9999,\)",
        ),
        (lambda content: gzip.compress(content + b"\x00"), "must hold 10000 values, got 10001"),
        (
            lambda content: gzip.compress(with_last_bit_changed(content)),
            "its SHA-256 must be ff7bcfd4.*, got [0-9a-f]{64}",
        ),
    ],
    ids="cut|damaged|plain|empty|magic|other file|one label less|one byte more|one bit changed".split("|"),
)
def test_a_bad_file_is_refused_and_kept(tmp_path, spoil, words):
    path = tmp_path / f"{LABELS}.gz"
    bad = spoil(published())
    path.write_bytes(bad)
    with pytest.raises(ValueError, match=words) as caught:
        data._load_array(path)
    assert str(caught.value).startswith(f"{path} is not the published file: ")
    assert str(caught.value).endswith("; delete it and load again")
    assert path.read_bytes() == bad


@pytest.mark.parametrize(
    "spoil, words",
    [
        (
            lambda content: write_idx(np.zeros((40_000, 14, 14), np.uint8)),
            r"its array must have shape \(10000, 28, 28\), got \(40000, 14, 14\)",
        ),
        (lambda content: content + bytes(10_000), "must hold 7840000 values, got 7840001"),
        (with_last_bit_changed, "its SHA-256 must be 0fa7898d.*, got 6d6769f9"),
    ],
    ids="other size|too long|one bit changed".split("|"),
)
def test_bad_images_are_refused(tmp_path, spoil, words):
    path = tmp_path / f"{IMAGES}.gz"
    path.write_bytes(gzip.compress(spoil(published(IMAGES)), compresslevel=1))
    with pytest.raises(ValueError, match=words):
        data._load_array(path)


def test_load_mnist_says_which_file_is_bad(tmp_path):
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"not an image")
    with pytest.raises(ValueError, match="train-images-idx3-ubyte.gz is not the published file"):
        data.load_mnist(tmp_path)


class Mirror(BaseHTTPRequestHandler):
    """Serve `data/mnist` as the path before the name says: whole, spoiled, ..."""

    def do_GET(self):
        _, manner, name = self.path.split("/")
        content = (data.DATA / "mnist" / name).read_bytes()
        if manner == "spoiled":
            content = gzip.compress(with_last_bit_changed(published()))
        self.send_response({"absent": 404, "plain": 302}.get(manner, 200))
        if manner == "plain":
            self.send_header("Location", f"{self.server.plain_address}/whole/{name}")
        flood = data.DOWNLOAD_LIMIT if manner == "flood" else 0
        self.send_header("Content-Length", str(len(content) + flood))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if manner == "half" else content + bytes(flood))

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Start a server on this machine, once over https and once without; return the address over https."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    plain, secure = (ThreadingHTTPServer(("127.0.0.1", 0), Mirror) for _ in range(2))
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    secure.plain_address = f"http://127.0.0.1:{plain.server_port}"
    certificate = tmp_path_factory.mktemp("certificate") / "authority.pem"
    authority.cert_pem.write_to_path(certificate)
    for each in plain, secure:
        threading.Thread(target=each.serve_forever, daemon=True).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificate))
        patch.delenv("https_proxy", raising=False)
        yield f"https://127.0.0.1:{secure.server_port}"
    for each in plain, secure:
        each.shutdown()
        each.server_close()


@pytest.fixture
def mirrors(server, monkeypatch):
    """Return a function that says how the mirrors behave, one word for each."""
    return lambda *manners: monkeypatch.setattr(data, "MIRRORS", tuple(f"{server}/{each}/" for each in manners))


@pytest.mark.parametrize("manner", ["whole", "absent", "half", "spoiled", "flood", "plain"])
def test_a_missing_file_comes_from_the_first_mirror_that_has_it_whole(tmp_path, mirrors, monkeypatch, manner):
    mirrors(manner, "whole")
    monkeypatch.setattr(data, "DOWNLOAD_LIMIT", (data.DATA / "mnist" / f"{LABELS}.gz").stat().st_size)  # just enough
    path = tmp_path / "data" / "mnist" / f"{LABELS}.gz"
    np.testing.assert_array_equal(data._load_array(path), data._read_idx(published()))
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "manner, words",
    [
        ("absent", "HTTP Error 404"),
        ("half", "it must be a whole gzip file|IncompleteRead"),
        ("spoiled", "its SHA-256 must be"),
        ("flood", "the download must be at most 16000000 bytes, got more"),
        ("plain", "the download must come over https, got http://127"),
    ],
)
def test_a_download_that_fails_twice_says_how_and_leaves_nothing(tmp_path, mirrors, manner, words):
    mirrors(manner, manner)
    path = tmp_path / "mnist" / f"{LABELS}.gz"
    with pytest.raises(OSError, match=words) as caught:
        data._load_array(path)
    assert f"{path} is missing and could not be downloaded; put it there by hand, or try again" in str(caught.value)
    assert all(mirror in str(caught.value) for mirror in data.MIRRORS)
    assert not path.parent.exists()
    mirrors("whole")
    assert len(data._load_array(path)) == 10_000


def test_a_download_without_end_is_read_to_just_beyond_the_limit(monkeypatch):
    read = []

    class Endless(io.BytesIO):
        url = "https://mirror/"

        def read(self, size):
            read.append(size)
            return bytes(size)

    monkeypatch.setattr("urllib.request.urlopen", lambda address, timeout: Endless())
    monkeypatch.setattr(data, "DOWNLOAD_LIMIT", 9)
    with pytest.raises(ValueError, match="the download must be at most 9 bytes, got more"):
        data._fetch("https://mirror/")
    assert sum(read) == 10


def test_without_a_network_the_error_names_the_file_and_the_mirrors(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "MIRRORS", ("https://127.0.0.1:1/a/", "https://127.0.0.1:1/b/"))
    with pytest.raises(OSError, match=f"{LABELS}.gz is missing.*127.0.0.1:1/a/: .*refused.*127.0.0.1:1/b/: .*refused"):
        data._load_array(tmp_path / f"{LABELS}.gz")


LOAD = """
import os, sys
from pathlib import Path
from helpers import data
data.MIRRORS = (sys.argv[1] + "/whole/",)
path = Path(sys.argv[2])
write_bytes = Path.write_bytes
def die_half_way(path, content):
    write_bytes(path, content[: len(content) // 2])
    os._exit(9)
if sys.argv[3] == "dies":
    Path.write_bytes = die_half_way
print(data._load_array(path).sum())
"""


def test_a_load_that_is_killed_while_it_writes_is_made_good_by_the_next(tmp_path, server, mirrors):
    path = tmp_path / f"{LABELS}.gz"
    killed = subprocess.run([sys.executable, "-c", LOAD, server, path, "dies"])
    assert killed.returncode == 9
    assert not path.exists()
    mirrors("whole")
    assert len(data._load_array(path)) == 10_000


def test_two_processes_may_load_at_once(tmp_path, server):
    command = [sys.executable, "-c", LOAD, server, tmp_path / f"{LABELS}.gz", "lives"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    expected = str(data._read_idx(published()).sum())
    assert [each.communicate(timeout=60)[0].strip() for each in both] == [expected, expected]
    assert [each.name for each in tmp_path.iterdir()] == [f"{LABELS}.gz"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path, mirrors):
    mirrors("whole")
    (tmp_path / "mnist").write_text("a file where the folder should be")
    with pytest.raises(
        OSError, match="was downloaded and cannot be written .*: make .*mnist writable, or give load_mnist"
    ):
        data._load_array(tmp_path / "mnist" / f"{LABELS}.gz")


def test_a_disk_that_fills_up_is_named_and_left_clean(tmp_path, mirrors, monkeypatch):
    def write_half(path, content):
        write_bytes(path, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    mirrors("whole")
    write_bytes = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(OSError, match="was downloaded and cannot be written .*No space left on device"):
        data._load_array(tmp_path / f"{LABELS}.gz")
    assert not list(tmp_path.iterdir())


def test_the_mirrors_are_asked_over_https():
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in data.MIRRORS)
