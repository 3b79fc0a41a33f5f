"""What `load_mnist` reads against a pinned checksum, and files that are damaged."""

import gzip
import hashlib
import subprocess
import sys

import numpy as np
import pytest

from helpers.datasets import DATA, load_mnist

IMAGES = "train-images-idx3-ubyte.gz"


def test_load_mnist_is_the_published_data():
    content = hashlib.sha256()
    for x, y in load_mnist():
        assert (x.dtype, y.dtype, x.min(), x.max()) == (np.float32, np.int32, 0, 1)
        content.update(str((x.shape, y.shape)).encode())
        content.update(np.rint(255 * x).astype(np.uint8).tobytes() + y.astype(np.uint8).tobytes())
    assert content.hexdigest() == "cbff500abc7fd5f7d88e2c997ed9f91619a7cae288a8cbacc671d7a7b7192c00"


def test_load_mnist_works_from_any_folder_and_without_scikit_learn(tmp_path):
    code = "import sys; from helpers.datasets import *; load_mnist(); print({'jax', 'sklearn'} & {*sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"  # to import them would cost every cold start a second


def test_a_missing_or_damaged_file_is_named_with_the_way_to_bring_it_back(tmp_path):
    whole = (DATA / "mnist" / IMAGES).read_bytes()
    flipped = whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:]  # one bit of gzip's checksum
    for content in (None, b"", whole[:-9], whole[:50] + whole[60:], flipped, gzip.compress(bytes(20))):
        if content is not None:
            (tmp_path / IMAGES).write_bytes(content)
        with pytest.raises(OSError, match=f"{IMAGES} is missing or damaged; `git checkout -- data` brings it back: ."):
            load_mnist(str(tmp_path))
