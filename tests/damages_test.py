"""Runs with a damaged or forged file, under every command that reads runs.

`DAMAGES=1400 DAMAGE=7 python -m pytest -m slow tests/damages_test.py` draws more, and others.
"""

import hashlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import sys
import traceback

from PIL import Image
import pytest

from gan_jax import cli, report
from gan_jax.errors import UserError, mendable
from gan_jax.records import checkpoints
from tests import trainer_test
from tests.io import schema_test
from tests.use import classifying_test, translating_test

LIMIT_S = 600  # for one command; they take a second or two
COUNT, SEED = int(os.environ.get('DAMAGES', '16')), int(os.environ.get('DAMAGE', '0'))
MARKUP, ESCAPES = '<script>alert(1)</script>', '\x1b[2J\x1b]0;gone\x07\u202e'
VALUES = [
    *schema_test.WRONG,
    *(2**31, 2**63, 1e38, 0, 1, 0.5, -0.0, '', 'x' * 10**5, [0] * 10**4),
    *(MARKUP, ESCAPES, '../../outside', '/etc/passwd', 'a\nb', '\ud800', '~', 'nan'),
    *([MARKUP], {ESCAPES: MARKUP}, {'../../outside': 1}, [None], [{}]),
]
NAMES = ['\x1b[2J.png', f'<b>{"x" * 200}', '٣', '³', '007', '-1', '9' * 40, 'caf\udce9', 'a\nb']


class TooLong(BaseException):
    """A command hangs."""


def leaves(run):
    """Files of a run, by their path in it, in an order that does not depend on the disk."""
    return sorted(str(path.relative_to(run)) for path in run.rglob('*') if path.is_file())


def places(run, rng):
    """A file to damage: each kind as often, whether there is one of it or there are twenty.

    Most of them are JSON, which the commands read.
    """
    kinds = {}
    for name in leaves(run):
        kinds.setdefault(re.sub('[0-9a-f]{32}|[0-9]+', '0', name), []).append(name)
    read = [kind for kind in kinds if '.json' in kind]
    return rng.choice(kinds[rng.choice(sorted(read if rng.random() < 0.7 else kinds))])


def with_value(path, rng):
    """A value of JSON, or of a line of it, is another, is gone, or is one more."""
    lines = path.read_text().split('\n') if path.suffix == '.jsonl' else [path.read_text()]
    number = rng.randrange(max(1, len(lines) - 1))
    content = json.loads(lines[number])
    place = rng.choice(list(schema_test.places(content)))
    new, how = rng.choice(VALUES), rng.choice(['other', 'gone', 'more'])
    parent = content
    for name in place[:-1]:
        parent = parent[name]
    if how == 'gone' and place:
        del parent[place[-1]]
    elif how == 'more' and isinstance(parent, dict):
        parent[rng.choice(['more', ESCAPES, MARKUP, '../../outside'])] = new
    else:
        content = schema_test.changed(content, place, new)
    lines[number] = json.dumps(content)
    path.write_text('\n'.join(lines))
    return f'{".".join(map(str, place))} {how} {ascii(new)[:40]}'


def with_bytes(path, rng):
    """Cut, emptied, overwritten, longer, with a bit flipped, or deep JSON."""
    content = bytearray(path.read_bytes())
    place = rng.randrange(len(content)) if content else 0
    how = rng.choice(['cut', 'empty', 'random', 'longer', 'flipped', 'deep', 'zeros'])
    if how == 'cut':
        del content[place:]
    elif how == 'longer':
        content += rng.randbytes(1000)
    elif how == 'flipped' and content:
        content[place] ^= 1 << rng.randrange(8)
    else:
        filled = {'random': rng.randbytes(1000), 'deep': b'[' * 10**5, 'zeros': bytes(10**5)}
        content = filled.get(how, b'')
    path.write_bytes(content)
    return how


def with_kind(path, rng):
    """In its place a pipe, a folder, a link to nowhere, to itself, elsewhere, or nothing."""
    path.unlink()
    how = rng.choice(['pipe', 'folder', 'full', 'nowhere', 'itself', 'endless', 'outside', 'gone'])
    if how == 'pipe':
        os.mkfifo(path)
    elif how in ('folder', 'full'):
        path.mkdir()
        (path / 'x').write_text('x') if how == 'full' else None
    elif how != 'gone':
        targets = {'nowhere': '/no/such', 'itself': path.name, 'endless': '/dev/zero'}
        path.symlink_to(targets.get(how, '/etc/passwd'))
    return how


def with_folder(path, rng):
    """The folder that it is in is a file, a pipe, a link, or is gone."""
    folder = path.parent
    shutil.rmtree(folder)
    how = rng.choice(['file', 'pipe', 'link', 'gone', 'empty'])
    if how == 'file':
        folder.write_text('x')
    elif how == 'pipe':
        os.mkfifo(folder)
    elif how == 'link':
        folder.symlink_to('/no/such')
    elif how == 'empty':
        folder.mkdir()
    return f'{folder.name}: {how}'


def with_name(path, rng):
    """Beside it there is one more, by a strange name."""
    name = rng.choice(NAMES) + rng.choice(['', path.suffix])
    if rng.random() < 0.5:
        shutil.copy(path, path.with_name(name))
    else:
        path.with_name(name).mkdir()
    return f'beside it {ascii(name)}'


def with_picture(path, rng):
    """A picture of another kind, size or format, or what is none."""
    how = rng.choice(['RGBA', 'P', '1', 'I;16', 'LA', 'small', 'wide', 'GIF', 'large'])
    mode = how if how in ('RGBA', 'P', '1', 'I;16', 'LA') else 'RGB'
    size = {'small': (1, 1), 'wide': (3000, 1), 'large': (9000, 9000)}.get(how, (64, 64))
    Image.new(mode, size).save(path, 'GIF' if how == 'GIF' else 'PNG')
    return how


def damage(run, rng):
    """Damages a run, and says how."""
    name = places(run, rng)
    path = run / name
    kinds = [with_bytes, with_kind, with_name]
    if path.parent != run:
        kinds += [with_folder]
    if path.suffix in ('.json', '.jsonl'):
        kinds += [with_value] * 12
    if path.suffix == '.png':
        kinds += [with_picture] * 4
    done = rng.choice(kinds)
    step = next((folder for folder in path.parents if folder.parent.name == 'checkpoints'), None)
    words = done(path, rng)
    if step and rng.random() < 0.7:
        forge(step)
        words += ', forged'
    return f'{name}: {done.__name__} {words}'


def forge(step):
    """Makes the sums of a step those of its files, as someone would who sends it."""
    manifest = step / checkpoints.MANIFEST
    try:
        files = [step / name for name in leaves(step) if name != checkpoints.MANIFEST]
        sums = {str(f.relative_to(step)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}
        manifest.write_text(json.dumps(sums))
    except (OSError, RuntimeError):
        pass


@pytest.fixture(scope='module')
def runs(album, train_once, tmp_path_factory):
    """A run of each kind, evaluated, whose last step is to be made again."""
    home = tmp_path_factory.mktemp('runs')
    often = {'log_every': 1, 'sample_every': 2, 'tensorboard': True, 'evaluate.balance': 1}
    measured = {'evaluate.every': 1.0, 'evaluate.num_samples': 40, 'evaluate.best': 'kid_digits'}
    measured |= {'evaluate.metrics': ('kid',)}
    configs = {
        'sampler': trainer_test.conditional(**often, **measured),
        'classifier': classifying_test.tiny(),
        'translator': translating_test.tiny(album),
    }
    for kind, config in configs.items():
        train_once(config, home / kind)
        assert cli.main(['evaluate', f'--workdir={home / kind}', '--num_samples=40']) == 0
        if kind == 'classifier':
            assert cli.main(['classify', f'--workdir={home / kind}', '--split=validation']) == 0
        shutil.rmtree(home / kind / 'checkpoints' / str(config.steps))
    return home


def commands(album, run, out):
    """Commands that read a run, by its kind and their name: the words, none for the report."""
    flag, picture = f'--workdir={run}', f'--input={album}'
    every = {
        'train': ['train', flag],
        'digest': ['digest', flag],
        'evaluate': ['evaluate', flag, '--num_samples=40'],
        'export': ['export', flag, f'--output={out}/net.bin'],
        'share': ['export', flag, '--format=folder', f'--output={out}/shared'],
        'report': [],
    }
    sampling = {
        'sample': ['sample', flag, '--num=4', f'--output={out}/grid.png'],
        'best': ['sample', flag, '--num=4', '--step=best', f'--output={out}/best.png'],
    }
    classifying = {
        'classify': ['classify', flag, picture],
        'split': ['classify', flag, '--split=validation'],
    }
    return {
        'sampler': every | sampling,
        'classifier': every | sampling | classifying,
        'translator': every | {'translate': ['translate', flag, picture, f'--output={out}/made']},
    }


def obey(words, run):
    """Runs a command under a limit of time; its exit code."""

    def stop(*_):
        raise TooLong

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT_S)
    try:
        if words:
            return cli.main(words)
        report.write(run)
        return 0
    except (UserError, OSError) as error:
        print(f'error: {mendable(error)}', file=sys.stderr)
        return 2
    finally:
        signal.alarm(0)


def faults(code, out, err, run):
    """Says what is wrong with how a command ended."""
    text = out + err
    *_, last = err.strip().split('\n')
    if code not in (0, 2):
        yield f'code {code}'
    if code == 2 and (err.count('error: ') != 1 or not last.startswith('error: ')):
        yield f'not one line: {err[-300:]!r}'
    if code == 2 and f'{run.name}/' not in last and '--' not in last:
        yield f'names no file: {last}'
    if 'Traceback' in text:
        yield f'traceback: {text[-300:]}'
    if re.search('[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f\u202e]|\x1b\\[2J', text):
        yield f'unprintable: {text[-300:]!r}'
    page = run / 'report.html'
    if page.is_file() and not page.is_symlink() and b'<script>alert' in page.read_bytes():
        yield 'markup in the report'


def outcome(words, run, capture):
    """Says what is wrong with how a command ends, and its last line; `capture` has its output."""
    code, found = None, []
    try:
        code = obey(words, run)
    except (TooLong, Exception) as error:
        where = [f'{f.filename}:{f.lineno}' for f in traceback.extract_tb(error.__traceback__)[-6:]]
        found = [f'{error!r:.300} at {" ".join(where)}']
    out, err = capture()
    return [*found, *faults(code, out, err, run)], err.strip().split('\n')[-1]


@pytest.mark.slow
def test_what_is_wrong_is_one_line_or_left_out(runs, album, tmp_path, capsys, monkeypatch):
    """Commands of each kind of run, in a random order, each of a run with one more damage."""
    monkeypatch.chdir(tmp_path)
    run, out, outside = (tmp_path / name for name in ('run', 'out', 'outside'))
    outside.write_text('mine')
    of_kinds = commands(album, run, out)
    turns = [(kind, name) for kind, words in of_kinds.items() for name in words]
    random.Random(SEED).shuffle(turns)
    for number, (kind, name) in zip(range(COUNT), itertools.cycle(turns), strict=False):
        shutil.copytree(runs / kind, run)
        done = damage(run, random.Random(f'{SEED} {number}'))
        found, line = outcome(of_kinds[kind][name], run, capsys.readouterr)
        assert not found, f'{number}: {name} of a {kind} with {done}: {line}'
        assert outside.read_text() == 'mine' and len(list(tmp_path.iterdir())) <= 3
        for path in (run, out):
            shutil.rmtree(path, ignore_errors=True)
