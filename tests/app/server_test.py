"""The page's server: what a page asks, what nobody should, and that no file is written."""

import base64
import io
import json
import shlex
import shutil
import socket
import threading
import urllib.error
import urllib.request

import numpy as np
from PIL import Image
import pytest

import gan_jax
from gan_jax import cli
from tests import trainer_test
from tests.cli.commands_test import fails
from tests.data import photos
from tests.data.decode_test import bomb
from tests.use import classifying_test, translating_test

uvicorn = pytest.importorskip('uvicorn')
pytest.importorskip('starlette')

DRAWN = {'seed': 3, 'label': None, 'truncation': 1.0}
CHOSEN = {**DRAWN, 'start': 2, 'end': 9, 'along': 0.25, 'moves': [1.5, 0.0, -2.0]}


@pytest.fixture(scope='module')
def home(train_once, album, tmp_path_factory):
    """A folder with a run of each task."""
    folder = tmp_path_factory.mktemp('app') / 'runs'
    train_once(trainer_test.conditional(), folder / 'digits')
    train_once(classifying_test.tiny(), folder / 'classes')
    train_once(translating_test.tiny(album), folder / 'photos')
    return folder


@pytest.fixture(scope='module')
def address(home):
    """Where a server of these runs listens."""
    from gan_jax.app import runs, server

    application = server.make(runs.Runs(home, 0), '127.0.0.1')
    config = uvicorn.Config(
        application, log_level='error', lifespan='off', http=server.Connection, ws='none'
    )
    listening = socket.create_server(('127.0.0.1', 0))
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={'sockets': [listening]}, daemon=True)
    thread.start()
    yield f'http://127.0.0.1:{listening.getsockname()[1]}'
    running.should_exit = True
    thread.join()


def ask(address, path, content=None, **headers):
    """(code, what was answered) of a request."""
    body = (
        content if content is None or isinstance(content, bytes) else json.dumps(content).encode()
    )
    request = urllib.request.Request(f'{address}/{path}', body, headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def found(address, path, content):
    code, answer = ask(address, path, content)
    assert code == 200, answer
    return json.loads(answer)


def pixels(url):
    content = base64.b64decode(url.removeprefix('data:image/png;base64,'))
    image = np.asarray(Image.open(io.BytesIO(content)))
    return image[..., None] if image.ndim == 2 else image


def file(image):
    return photos.encoded(Image.fromarray(image), 'PNG')


def test_the_page_and_its_files_name_no_other_place(address):
    for name in ('', 'app.css', 'app.js'):
        code, content = ask(address, name)
        assert code == 200 and b'http' not in content.replace(b'http-equiv', b'')
    with urllib.request.urlopen(address) as answer:
        assert "default-src 'none'" in answer.headers['Content-Security-Policy']


@pytest.mark.newest
def test_samples_and_pictures_are_those_of_the_run_and_of_the_command(address, home, tmp_path):
    assert json.loads(ask(address, 'api/runs')[1]) == ['classes', 'digits', 'photos']
    facts = found(address, 'api/runs/digits/facts', {})
    assert facts['step'] == 4 and len(facts['classes']) == 10
    run = gan_jax.load(home / 'digits')
    grid = pixels(found(address, 'api/runs/digits/grid', DRAWN)['picture'])
    np.testing.assert_array_equal(grid[28:56, 56:84], run.sample(11, seed=3)[10])
    answer = found(address, 'api/runs/digits/picture', CHOSEN | {'label': 7, 'truncation': 0.5})
    program, *words = shlex.split(answer['command'])
    assert program == 'gan-jax'
    words[-1] = f'--output={tmp_path}/picture.png'
    assert cli.main(words) == 0
    again = np.asarray(Image.open(tmp_path / 'picture.png'))[2:-2, 2:-2, None]
    np.testing.assert_array_equal(again, pixels(answer['picture']))


def test_the_nearest_training_images_are_shown(address):
    answer = found(address, 'api/runs/digits/nearest', CHOSEN)
    assert len(answer['pictures']) == 4 and answer['of'].startswith('40 training images')


def test_a_picture_is_classified_and_says_how_far_to_trust_it(address, home):
    digit = np.zeros((28, 28), np.uint8)
    digit[6:22, 12:16] = 255
    answer = found(address, 'api/runs/classes/classify', file(digit))
    wanted = gan_jax.load(home / 'classes').classify(digit)
    assert dict(answer['shares'])['3'] == pytest.approx(float(wanted[3]), abs=1e-6)
    assert answer['remark'] == '' and 'not measured' in answer['measured']
    assert cli.main(['classify', f'--workdir={home}/classes', '--split=validation']) == 0
    answer = found(address, 'api/runs/classes/classify', file(255 - digit))
    assert 'negatives' in answer['remark'] and 'were right' in answer['measured']


def test_a_picture_is_translated(address, home):
    photo = np.asarray(photos.photo(1, (64, 64)))
    answer = found(address, 'api/runs/photos/translate?as_is=0', file(photo))
    np.testing.assert_array_equal(
        pixels(answer['picture']), gan_jax.load(home / 'photos').translate(photo)
    )
    drawn = np.zeros((64, 64, 3), np.uint8)
    drawn[20:40] = 255, 0, 0
    answer = found(address, 'api/runs/photos/translate?as_is=1', file(drawn))
    np.testing.assert_array_equal(pixels(answer['input']), drawn)


HOSTILE = {
    'no picture': ('classes/classify', b'%PDF-1.4', 400, 'not an image'),
    'nothing': ('classes/classify', b'', 400, 'empty'),
    'a bomb': ('classes/classify', bomb(30_000), 400, '30000x30000 pixels'),
    'cut short': ('photos/translate', file(np.zeros((99, 99, 3), np.uint8))[:60], 400, ''),
    'a line': ('photos/translate', file(np.zeros((1, 2000, 3), np.uint8)), 400, 'long and thin'),
    'too long': ('digits/grid', b' ' * 5_000, 413, '4,096 bytes'),
    'no JSON': ('digits/grid', b'\xff\xfe', 400, 'no JSON'),
    'deep JSON': ('digits/grid', b'[' * 4_000, 400, 'no JSON'),
    'a list': ('digits/grid', [], 400, 'an object'),
    'another type': ('digits/grid', DRAWN | {'seed': '1'}, 400, 'whole number'),
    'infinity': ('digits/grid', b'{"seed": 1e999, "label": null, "truncation": 1.0}', 400, 'seed'),
    'no such class': ('digits/grid', DRAWN | {'label': 10}, 400, 'no class'),
    'no such sample': ('digits/picture', CHOSEN | {'start': 64}, 400, 'start'),
    'many moves': ('digits/picture', CHOSEN | {'moves': [1.0] * 500}, 400, 'directions'),
    'another task': ('digits/classify', file(np.zeros((9, 9), np.uint8)), 400, 'no classifier'),
    'no such run': ('none/grid', DRAWN, 400, "no run of the name 'none'"),
    'a path': ('..%2F..%2Fetc/grid', DRAWN, 404, 'Not Found'),
    'no such address': ('digits/passwd', {}, 404, 'Not Found'),
}


@pytest.mark.parametrize('path, content, code, message', HOSTILE.values(), ids=HOSTILE)
def test_what_no_page_asks_is_refused_in_a_line(path, content, code, message, address, capfd):
    got, answer = ask(address, f'api/runs/{path}', content)
    assert got == code and message in json.loads(answer)['error']
    assert 'Traceback' not in capfd.readouterr().err


@pytest.mark.parametrize('answered', [False, True])
@pytest.mark.parametrize('sent', [b'', b'GET / HTTP/1.1\r\nHost: localhost\r\nX: '])
def test_a_connection_without_a_request_is_closed(answered, sent, address, monkeypatch):
    from gan_jax.app import server

    monkeypatch.setattr(server, 'SECONDS', 0.5)
    port = int(address.rsplit(':')[-1])
    with socket.create_connection(('127.0.0.1', port), timeout=30) as client:
        if answered:
            client.sendall(b'GET /api/runs HTTP/1.1\r\nHost: localhost\r\n\r\n')
            assert client.recv(10**5).startswith(b'HTTP/1.1 200')
        client.sendall(sent)
        while client.recv(10**5):  # the end of the answer, then that of the connection
            pass


def test_another_name_of_this_machine_is_not_answered(address):
    assert ask(address, 'api/runs', None, Host='evil.example')[0] == 400


def test_a_run_or_a_folder_of_runs_or_one_line(home, tmp_path, capsys):
    from gan_jax.app import runs

    assert runs.Runs(home / 'digits', 0).names() == ['digits']
    assert 'neither a run nor' in fails(capsys, 'app', f'--workdir={tmp_path}', '--port=0')
    for name in ('begun', 'digits'):  # the first has no checkpoint yet
        shutil.copytree(home / 'digits', tmp_path / 'runs' / name)
    shutil.rmtree(tmp_path / 'runs' / 'begun' / 'checkpoints')
    several = runs.Runs(tmp_path / 'runs', 0)
    [why] = several.warm()
    assert 'no whole checkpoint yet' in why and several.names() == ['digits']
    of = f'--workdir={tmp_path}/runs/begun'
    assert 'no whole checkpoint yet' in fails(capsys, 'app', of, '--port=0')


def test_a_port_in_use_is_one_line(home, capsys):
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        line = fails(capsys, 'app', f'--workdir={home}', f'--port={port}')
    assert f'--port={port}: cannot listen there' in line and 'choose another --port' in line
    line = fails(capsys, 'app', f'--workdir={home}', '--host=203.0.113.7')
    assert '--host=203.0.113.7' in line and 'give --host an address of this machine' in line


def test_without_the_extra_one_line_says_what_to_install(home, capsys, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'uvicorn', None)
    assert 'install' in fails(capsys, 'app', f'--workdir={home}', '--port=0')
