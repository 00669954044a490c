import functools
import http.server
import json
import os
from pathlib import Path
import shutil
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from gan_jax import data
from gan_jax.data import downloads, mnist
from gan_jax.errors import UserError
from gan_jax.types import DataSpec

REAL = Path(__file__).parents[3] / 'shared' / 'data' / 'mnist'
IMAGES = 'train-images-idx3-ubyte.gz'


@pytest.fixture
def config(make_config, own_cache):
    return make_config(name='mnist').data


@pytest.fixture
def serve(monkeypatch):
    """Makes a folder the mirror."""
    servers = []

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    def start(folder):
        handler = functools.partial(Quiet, directory=str(folder))
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        monkeypatch.setattr(mnist, 'URL', f'http://127.0.0.1:{server.server_port}/')

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def tfds_copy(small_mnist, tmp_path, config, make_config):
    """A data_dir laid out as tensorflow-datasets does: mnist/3.0.1/."""
    config.path = str(small_mnist)
    data.load(config)
    [prepared] = (tmp_path / 'cache' / 'tfds').glob('mnist-2/gan_jax/*')
    target = tmp_path / 'tensorflow_datasets' / 'mnist' / '3.0.1'
    shutil.copytree(prepared, target)
    return target


def test_reads_a_folder_of_idx_files(small_mnist, config):
    config.path = str(small_mnist)
    paths = {name: small_mnist / name for name in mnist.MD5}
    for split, count in (('train', 40), ('test', 20)):
        config.split = split
        dataset = data.load(config)
        images, labels = mnist.read_split(paths, split)
        assert dataset.spec == DataSpec((28, 28, 1), 10, count)
        assert dataset.class_names == tuple('0123456789')
        np.testing.assert_array_equal(dataset.arrays().image, images)
        np.testing.assert_array_equal(dataset.arrays().label, labels)


def test_a_missing_file_is_named_with_its_md5(small_mnist, config):
    (small_mnist / IMAGES).unlink()
    config.path = str(small_mnist)
    with pytest.raises(UserError, match=f'{IMAGES} is missing .*{mnist.MD5[IMAGES]}'):
        data.load(config)


def test_a_corrupt_file_is_named_with_both_md5(small_mnist, config):
    content = bytearray((small_mnist / IMAGES).read_bytes())
    content[100] ^= 1
    (small_mnist / IMAGES).write_bytes(content)
    config.path = str(small_mnist)
    with pytest.raises(UserError, match=rf'{IMAGES} .*md5 is \w{{32}} .*{mnist.MD5[IMAGES]}'):
        data.load(config)


def test_a_corrupt_file_is_found_even_if_the_set_is_prepared(small_mnist, config):
    config.path = str(small_mnist)
    data.load(config)
    (small_mnist / IMAGES).write_bytes(b'')
    with pytest.raises(UserError, match=IMAGES):
        data.load(config)


def test_downloads_without_a_path(small_mnist, config, serve):
    serve(small_mnist)
    downloaded = data.load(config)
    config.path = str(small_mnist)
    assert downloaded.fingerprint == data.load(config).fingerprint
    assert downloaded.spec.num_examples == 40


def test_a_corrupt_download_is_refused_and_fetched_again(small_mnist, config, serve, tmp_path):
    whole = (small_mnist / IMAGES).read_bytes()
    (small_mnist / IMAGES).write_bytes(whole[:-1] + b'x')
    serve(small_mnist)
    with pytest.raises(UserError, match=f'{IMAGES} has md5 .* instead of {mnist.MD5[IMAGES]}'):
        data.load(config)
    (small_mnist / IMAGES).write_bytes(whole)
    assert data.load(config).spec.num_examples == 40


def test_no_network_names_the_ways_out_in_bounded_time(config, monkeypatch):
    # A mirror that accepts and never answers: the worst that a network can do.
    with socket.create_server(('127.0.0.1', 0)) as silent:
        monkeypatch.setattr(mnist, 'URL', f'http://127.0.0.1:{silent.getsockname()[1]}/')
        monkeypatch.setattr(downloads, 'TIMEOUT_S', 0.3)
        start = time.monotonic()
        with pytest.raises(UserError) as caught:
            data.load(config)
    assert time.monotonic() - start < 3
    message = str(caught.value)
    assert '--config.data.path=FOLDER' in message
    assert '--config.data.name=mnist5k' in message


def test_a_prepared_set_needs_no_network(small_mnist, config, monkeypatch):
    config.path = str(small_mnist)
    prepared = data.load(config)
    config.path = ''
    monkeypatch.setattr(mnist, 'URL', 'http://127.0.0.1:1/')
    assert data.load(config).fingerprint == prepared.fingerprint
    config.split = 'test'  # prepared, not yet decoded
    assert data.load(config).spec.num_examples == 20


@pytest.mark.parametrize('depth', [0, 1])
def test_reads_what_tfds_prepared(tfds_copy, config, small_mnist, depth):
    original = data.load(config)
    config.path = str((tfds_copy, tfds_copy.parents[1])[depth])
    before = sorted(path.name for path in tfds_copy.iterdir())
    copy = data.load(config)
    assert copy.fingerprint == original.fingerprint
    np.testing.assert_array_equal(copy.source[7].image, original.arrays().image[7])
    assert sorted(path.name for path in tfds_copy.iterdir()) == before


def test_a_changed_tfds_copy_is_not_taken_for_the_old_one(tfds_copy, config):
    config.path = str(tfds_copy)
    old = data.load(config)
    train, test = (next(tfds_copy.glob(f'*-{split}.array_record*')) for split in ('train', 'test'))
    train.write_bytes(test.read_bytes())  # half as many records as dataset_info.json promises
    with pytest.raises(UserError, match='mnist/3.0.1 cannot be read'):
        data.load(config)
    with pytest.raises(UserError, match='mnist/3.0.1 cannot be read'):
        _ = old.source[39]


def test_a_copy_in_another_format_says_how_to_prepare_it(tfds_copy, config):
    info = json.loads((tfds_copy / 'dataset_info.json').read_text())
    info['fileFormat'] = 'tfrecord'
    (tfds_copy / 'dataset_info.json').write_text(json.dumps(info))
    config.path = str(tfds_copy)
    with pytest.raises(UserError, match="tfrecord .* file_format='array_record'"):
        data.load(config)


def test_an_unknown_split_is_an_error_before_anything_is_prepared(config):
    config.split = 'validation'
    with pytest.raises(UserError, match="config.data.split='validation' .* train and test"):
        data.load(config)


KILLED = """
import os, signal, sys
from gan_jax import config, data
from gan_jax.data import mnist
mnist.MD5 = {md5}
made = config.default().data
made.name, made.path = 'mnist', {path!r}
import cv2
original = cv2.imencode
calls = iter(range({survive}))
def imencode(*args):
    if next(calls, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*args)
cv2.imencode = imencode
data.load(made)
"""


def test_a_kill_in_the_middle_of_preparing_leaves_nothing_that_looks_whole(
    small_mnist, config, own_cache
):
    code = KILLED.format(md5=mnist.MD5, path=str(small_mnist), survive=50)
    environment = {**os.environ, 'PYTHONPATH': str(Path(data.__file__).parents[2])}
    died = subprocess.run([sys.executable, '-c', code], env=environment, capture_output=True)
    assert died.returncode == -9, died.stderr
    assert list(own_cache.glob('tfds/*/incomplete.*'))
    config.path = str(small_mnist)
    assert data.load(config).spec.num_examples == 40
    assert not list(own_cache.glob('tfds/*/incomplete.*'))


@pytest.mark.skipif(not REAL.is_dir(), reason=f'{REAL} is absent')
def test_the_official_files_are_read_as_published():
    mnist.check_folder(REAL)
    paths = {name: REAL / name for name in mnist.MD5}
    images, labels = mnist.read_split(paths, 'train')
    assert images.shape == (60_000, 28, 28, 1)
    # The moments by which everybody normalises MNIST, and the well-known counts of its classes.
    np.testing.assert_allclose(images.mean() / 255, 0.1307, atol=5e-5)
    np.testing.assert_allclose(images.std() / 255, 0.3081, atol=5e-5)
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    np.testing.assert_array_equal(np.bincount(labels), counts)
    assert mnist.read_split(paths, 'test')[0].shape == (10_000, 28, 28, 1)
