"""A run's files, damaged in every field: one line that names file and field, or it is left out."""

import copy
import json
import os

from PIL import Image
import pytest

from gan_jax import report
from gan_jax.errors import UserError
from gan_jax.evaluation import text
from gan_jax.io import schema
from gan_jax.records import recorder, workdirs
from gan_jax.report import run
from gan_jax.use import classifying
from tests import report_test

NET = dict.fromkeys(text.Features.__annotations__, 'x') | {'looked_through': True}
REAL = {'name': 'mnist5k', 'role': 'held-out images', 'fingerprint': 'f', 'images': 9, 'of': 10}
BY = {'features': NET, 'reference': REAL, 'samples': 20}
HEAD = {'run': 'a', 'step': 2, 'seed': 0}
SCORES = dict.fromkeys(text.Scores.__annotations__, 0.5)
PAIRS = {'images': 2, 'of': 4, 'set': 's', 'fingerprint': 'f', 'scores': {'input': SCORES}}
DATA = {'name': 'd', 'image_shape': [8, 8, 1], 'num_examples': 40, 'num_classes': 2, 'panels': 1}
BINS = [{'count': 3, 'confidence': 0.5, 'accuracy': 0.3}]
SUBJECT = {'name': 'd', 'split': 'test', 'images': 3, 'fingerprint': 'f'}

FILES = {
    'run.json': (
        workdirs.Facts,
        {
            'started': 'now',
            'versions': {'jax': '1'},
            'devices': ['cpu'],
            'command': 'go on',
            'data': {**DATA, 'class_names': ['a', 'b']},
            'parameters': {'gen': 1, 'disc': 2},
        },
    ),
    'evaluation.json': (
        text.Evaluation | text.PairEvaluation,
        {
            **HEAD,
            **BY,
            'figures': {'kid_digits': 1.5, 'collapsed': True, 'class_histogram': {'3': 0.5}},
            'real': {'precision': 0.5},
            'notes': ['n'],
        },
    ),
    'pairs.json': (text.Evaluation | text.PairEvaluation, {**HEAD, 'splits': {'train': PAIRS}}),
    'classification.json': (
        classifying.Classification,
        {
            'step': 2,
            'data': SUBJECT,
            'accuracy': 0.5,
            'classes': {'a': 0.5},
            'calibration_error': 0.1,
            'calibration': BINS,
        },
    ),
    'recorder': (
        recorder.State,
        {'window': {'loss': [1.5, 2]}, 'epoch': {}, 'timed_steps': 3, 'elapsed_s': 0.5},
    ),
}
WRONG = [None, [], {}, 'x\x1b[2J<b>', -1, 1e400, float('nan'), 10**400, True, [[[]]], {'a': {}}]


def places(value, path=()):
    """Where there is something in JSON, from the outside in."""
    yield path
    inner = value.items() if isinstance(value, dict) else ()
    inner = enumerate(value) if isinstance(value, list) else inner
    for name, entry in inner:
        yield from places(entry, (*path, name))


def changed(value, path, new):
    if not path:
        return new
    value = copy.deepcopy(value)
    inside = value
    for name in path[:-1]:
        inside = inside[name]
    inside[path[-1]] = new
    return value


@pytest.mark.parametrize('name', FILES)
def test_every_value_is_of_its_type_or_one_line_says_where_it_is_not(name, tmp_path):
    kind, content = FILES[name]
    path = tmp_path / name
    refused = 0
    for place in places(content):
        for new in WRONG:
            path.write_text(json.dumps(changed(content, place, new)))
            try:
                found = schema.load(path, kind)
            except UserError as error:
                refused += 1
                assert str(path) in str(error)
            else:
                assert '\x1b' not in repr(found) and 'nan' not in repr(found)
    assert refused > len(list(places(content)))
    path.write_text(json.dumps(content))
    assert schema.of(kind, json.loads(json.dumps(schema.load(path, kind)))) is not None


@pytest.mark.parametrize('kind', ['nothing', 'half', 'deep', 'bytes', 'pipe', 'long', 'folder'])
def test_what_is_no_file_of_a_run_is_one_line(kind, tmp_path, monkeypatch):
    path = tmp_path / 'run.json'
    content = {'half': b'{"a": ', 'deep': b'[' * 10**5, 'bytes': b'\xff\xfe', 'long': b' ' * 200}
    if kind == 'pipe':
        os.mkfifo(path)
    elif kind == 'folder':
        path.mkdir()
    else:
        path.write_bytes(content.get(kind, b''))
    monkeypatch.setattr(schema, 'MAX_BYTES', 100 if kind == 'long' else 10**6)
    with pytest.raises(UserError, match='run.json: '):
        workdirs.read_facts(tmp_path)


CONFIG = {
    'steps': 'many',
    'batch_size': -1,
    'gen': 5,
    'gen.net': {'name': 'dcgan', 'width': 'x'},
    'gen.net.name': ['mlp'],
    'data.path': 'a\nb',
    'evaluate.metrics': [1],
    'evaluate.best': 'nothing',
    'augment': 'nothing',
    'no_such_field': 1,
    'penalties': {'r1': float('nan')},
}


@pytest.mark.parametrize('field', CONFIG)
def test_a_config_that_no_run_has_is_one_line_with_the_field(field, tmp_path):
    stored = {}
    inside = stored
    *groups, last = field.split('.')
    for group in groups:
        inside = inside.setdefault(group, {})
    inside[last] = CONFIG[field]
    (tmp_path / 'config.json').write_text(json.dumps(stored))
    with pytest.raises(UserError, match=rf'config.json: config.{field.partition(".")[0]}'):
        workdirs.load_config(tmp_path)


def damage(workdir):
    """A whole run but for what is named."""
    report_test.write_facts(workdir)
    report_test.write_history(workdir, steps=40)
    with (workdir / 'metrics.jsonl').open('a') as file:
        file.write(
            '{"step": "x"}\n[1]\n{"step": 3, "epoch": NaN, "images_seen": 1}\n' + '[' * 10**5
        )
    (workdir / 'evaluation.json').write_text('{"step": "<script>alert(1)</script>"}')
    (workdir / 'samples' / '000015.png').write_bytes(b'\x89PNG but no more')
    (workdir / 'samples' / '\u00b2.png').write_bytes(b'')
    (workdir / 'samples' / '000016.png').mkdir()
    os.mkfifo(workdir / 'samples' / '000017.png')
    (workdir / 'samples' / '000018.png').symlink_to('/no/such')
    Image.new('L', (20_000, 1)).save(workdir / 'samples' / '000019.png')
    (workdir / 'neighbours.png').write_bytes(b'')
    (workdir / 'classification.json').write_text('[]')


def test_a_report_leaves_out_what_is_damaged_and_names_it(tmp_path):
    damage(tmp_path)
    report.write(tmp_path)
    html, page = report_test.read(tmp_path)
    assert 'left-out' in page.ids and '<script>alert' not in html
    for name in ('metrics.jsonl line 21', 'evaluation.json', 'classification.json', 'neighbours'):
        assert name in page.text
    for step in range(15, 20):
        assert f'samples/0000{step}.png: ' in page.text
    assert 'Samples beside the training images' not in page.text


@pytest.mark.parametrize('place', list(places(FILES['evaluation.json'][1])), ids=str)
def test_figures_that_are_of_their_types_are_shown(place, tmp_path):
    report_test.write_facts(tmp_path)
    report_test.write_history(tmp_path, steps=4)
    path = tmp_path / 'evaluation.json'
    for new in WRONG:
        path.write_text(json.dumps(changed(FILES['evaluation.json'][1], place, new)))
        page(tmp_path)


@pytest.mark.parametrize('name, cell', [('step', 0), ('epoch', -1e30), ('images_per_s', 1e-300)])
def test_a_line_of_odd_figures_is_shown(name, cell, tmp_path):
    row = {'step': 1, 'epoch': 1.0, 'images_seen': 10**12, 'images_per_s': 5.0, 'loss_g': 1.0}
    (tmp_path / 'metrics.jsonl').write_text(json.dumps(row | {name: cell}) + '\n')
    assert page(tmp_path)


def page(workdir):
    return report.page(run.read(workdir))


def test_a_report_of_a_run_of_damaged_records_is_a_page(tmp_path):
    for name in (
        'run.json',
        'config.json',
        'metrics.jsonl',
        'evaluations.jsonl',
        'evaluation.json',
    ):
        (tmp_path / name).write_bytes(b'{"step": [')
    report.write(tmp_path)
    assert 'run.json' in report_test.read(tmp_path)[1].text
