"""The commands as a user types them, and one line for every mistake."""

import json
import os
from pathlib import Path
import re
import shlex
import subprocess
import sys

from absl import flags as absl_flags
import numpy as np
from PIL import Image
import pytest

from gan_jax import cli
from gan_jax.cli import flags, train
from gan_jax.config import rules
from gan_jax.records import workdirs
from tests import trainer_test

ROOT = Path(__file__).parents[2]
TINY = f'--config={ROOT}/tests/tiny_config.py'


@pytest.fixture(scope='module')
def run(train_once, tmp_path_factory):
    """A small class-conditional run."""
    return train_once(trainer_test.mixed(), tmp_path_factory.mktemp('cli') / 'run')


def fails(capsys, *argv, code=2):
    """The last line on stderr of a command that must fail, which alone is about the error."""
    capsys.readouterr()
    assert cli.main(list(argv)) == code
    text = capsys.readouterr().err
    assert text.count('error:') == 1 and 'Traceback' not in text
    assert text.splitlines()[-1].startswith('error: ')
    return text.splitlines()[-1]


@pytest.mark.parametrize('command', cli.COMMANDS)
def test_help_fits_a_screen(command, capsys):
    assert cli.main([command, '--help']) == 0
    text = capsys.readouterr().out
    assert text.startswith(f'usage: gan-jax {command}') and '--' in text
    assert len(text.splitlines()) <= 40 and max(map(len, text.splitlines())) <= 100


def test_help_of_the_program_lists_the_commands(capsys):
    assert cli.main([]) == cli.main(['--help']) == 0
    text = capsys.readouterr().out
    assert all(text.count(f'\n  {command} ') == 2 for command in cli.COMMANDS)


ADAPTS = 'train --config.ada.target=0.6 --config.augment=color'
MEASURES = 'train --config.evaluate.every=1'
MISTAKES = {
    'trian': "no command 'trian': did you mean 'train'?",
    'list --workdir=x': 'no flag --workdir in list: there is none',
    'train --workdr=x': "no flag --workdr in train: did you mean 'workdir'?",
    'train --config.batchsize=8': "no field config.batchsize: did you mean 'batch_size'?",
    'train --overwrite=perhaps': '--overwrite=perhaps: must be true or false',
    'train --nooverwrite=1': '--nooverwrite=1 does not take',
    'train --config.data.input=gray': "config.data.input=gray: did you mean 'grey'?",
    'train --config.gen.net=mlp': 'config.gen.net is a group of fields: set one of name, ',
    'train --config=quikstart': "did you mean 'quickstart'?",
    'train --config=quickstart:smoke2': "did you mean 'smoke'?",
    'train --config=my_images:512': 'choose from 128, 256, 32, 64, ',
    'train --config=none/such.py': '--config=none/such.py: no such file',
    'train quickstart': "unexpected word 'quickstart'",
    'train --config': '--config needs a value',
    'train --config.batch_size=6 --config.devices=4': 'does not divide among 4 devices: use 4',
    'train --config.steps_per_call=7': 'not a multiple of',
    'train --config.loss=hinge --config.label_smoothing=0.1': "'hinge' has no target to smooth",
    'train --config.lecam.weight=0.1 --config.steps=1000': 'config.lecam.start=1000: ',
    f'{ADAPTS} --config.augment_p=0.5': 'config.augment_p=0.5: with config.ada.target=0.6 it',
    f'{ADAPTS} --config.loss=wasserstein': "config.ada.target=0.6: no logit of the loss 'wass",
    'train --config.evaluate.metrics=kid,frechett': "did you mean 'frechet'?",
    f'{MEASURES} --config.evaluate.features=inception --config.evaluate.weights=none': (
        'config.evaluate.weights='
    ),
    f'{MEASURES} --config.evaluate.metrics=()': 'metrics=() names nothing to measure every 1',
    f'{MEASURES} --config.evaluate.best=kid_digits': "add 'kid' to config.evaluate.metrics",
    f'{MEASURES} --config.evaluate.best=loss_g': 'best=loss_g: no metric that ranks; ',
    'sample --workdir=none --output=a.png --step=first': 'no run there',
    'digest': 'digest needs --workdir',
    'benchmark --batch_size=0': 'batch_size=0: must be a whole number',
    'benchmark --turns=0': '--turns=0: must be at least 1',
    'benchmark --json=out.txt': '--json=out.txt: must end with .json',
    'benchmark --json=/proc/out.json': 'the folder cannot be written',
    'app --workdir=x --host=\udc80': '--host=\\x80 --port=7860: cannot listen',
    f'app --workdir=x --host={"a" * 70}': ' --port=7860: cannot listen there',
    'data --output=sheet.jpg': '--output=sheet.jpg: must end with .png',
}


@pytest.mark.parametrize('command, message', MISTAKES.items(), ids=MISTAKES)
def test_a_mistake_is_one_line_and_code_2(command, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in fails(capsys, *command.split())


def whole_numbers():
    for command in cli.COMMANDS:
        values = absl_flags.FlagValues()
        cli.module(command).define(values)
        known = (name for name in values if isinstance(values[name].value, int))
        yield from ((command, name) for name in known if not values[name].boolean)


@pytest.mark.parametrize('command, name', list(whole_numbers()))
def test_no_whole_number_is_beyond_what_arrays_can_have(command, name, capsys):
    assert f'--{name}={10**30}: ' in fails(capsys, command, f'--{name}={10**30}')


REFUSED = {
    'permission': (
        PermissionError(13, 'Permission denied', '/a\x1b/b'),
        r'/a\\x1b/b: Permission denied',
    ),
    'folder': (IsADirectoryError(21, 'Is a directory', Path('/a/b')), '/a/b: Is a directory'),
    'disk': (OSError(28, 'No space left on device'), 'No space left on device'),
    'text': (OSError('it has no number'), 'it has no number'),
    'memory': (MemoryError('Unable to allocate 9 TiB'), 'not enough memory: .*9 TiB'),
    'device': (RuntimeError('RESOURCE_EXHAUSTED: 9 bytes\nat'), 'not enough memory: .*9 bytes'),
}


@pytest.mark.parametrize('error, said', REFUSED.values(), ids=REFUSED)
def test_what_the_system_refuses_is_one_line(error, said, capsys, monkeypatch):

    def refuse(*_):
        raise error

    monkeypatch.setattr(cli, '_run', refuse)
    assert re.match(f'error: {said}', fails(capsys, 'digest'))


def test_another_net_brings_its_own_fields():
    nets = [f'--config.{role}.net.{field}' for role in ('gen', 'disc')
            for field in ('name=mlp', 'hidden=(8,)')]  # fmt: skip
    config = flags.parse(train, 'train', ['--config=quickstart:smoke', *nets]).config
    assert config.gen.net.to_dict() == {'name': 'mlp', 'hidden': (8,)}
    rules.validate(config)


def test_names_may_be_given_with_commas_between():
    words = ['--config=quickstart:smoke', '--config.evaluate.metrics=kid,swd']
    config = flags.parse(train, 'train', words).config
    assert config.evaluate.metrics == ('kid', 'swd')


@pytest.mark.parametrize('words', [[], ['--coordinator=host:1', '--num_processes', '2']])
def test_the_command_to_go_on_is_the_run_and_what_the_process_needs(words, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['gan_jax/__main__.py', 'train'])
    argv = ['--workdir=elsewhere', '--overwrite', '--config=quickstart', *words]
    values = flags.parse(train, 'train', argv).flags
    found = shlex.split(train._resume_command(values, tmp_path))
    assert found[:4] == [sys.executable, '-m', 'gan_jax', 'train']
    own = ['--coordinator=host:1', '--num_processes=2'] if words else []
    assert found[4:] == [*own, f'--workdir={tmp_path}']


@pytest.mark.parametrize('form', ['--workdir={}', '--workdir {}', '-workdir={}'])
def test_a_run_goes_on_by_its_own_config(run, form, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = form.format(run).split()
    assert flags.parse(train, 'train', words).config == workdirs.load_config(run)
    changed = flags.parse(train, 'train', [*words, '--config.gen.net.hidden=(8,)']).config
    assert changed.gen.net.hidden == (8,) and changed.conditional
    named = flags.parse(train, 'train', [*words, '--config=quickstart']).config
    assert named == flags.parse(train, 'train', ['--workdir=none']).config != changed


@pytest.mark.parametrize(
    'case', ['syntax', 'exception', 'exit', 'type', 'nothing', 'empty', 'extra']
)
def test_a_broken_config_file_is_named_with_its_line(case, tmp_path, capsys):
    text, message = {
        'syntax': ('def get_config(preset:\n', 'broken.py line 1: '),
        'exit': ('def get_config(preset):\n    raise SystemExit(3)\n', 'broken.py line 2: System'),
        'exception': ('def get_config(preset):\n    return 1 / 0\n', 'broken.py line 2'),
        'nothing': ('x = 1\n', 'broken.py defines no get_config(preset)'),
        'type': ('def get_config(preset):\n    return {}\n', 'must return a ConfigDict'),
        'empty': (
            'import ml_collections\nget_config = lambda preset: ml_collections.ConfigDict()\n',
            'start from gan_jax.config.default()',
        ),
        'extra': (
            'from gan_jax import config\ndef get_config(preset):\n    c = config.default()\n'
            '    c.penalties.r3 = 1.0\n    return c\n',
            'no field config.penalties.r3: did you mean',
        ),
    }[case]
    (tmp_path / 'broken.py').write_text(text)
    assert message in fails(capsys, 'train', f'--config={tmp_path}/broken.py')


def test_from_a_shell(run):
    """In processes of their own; one that trains is killed in tests/trainer_test.py."""
    env = os.environ | {'JAX_NUM_CPU_DEVICES': '1'}

    def shell(*argv):
        return subprocess.run(
            [sys.executable, *argv], cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )

    digest = shell('-m', 'gan_jax', 'digest', f'--workdir={run}')
    assert digest.returncode == 0, digest.stderr
    assert re.fullmatch('[0-9a-f]{64}', digest.stdout.splitlines()[-1])
    wrong = shell('train.py', '--config.nothing=1')
    assert wrong.returncode == 2 and len(wrong.stderr.splitlines()) == 1


def test_digest_of_a_step_is_stored_with_it(run, capsys):
    assert cli.main(['digest', f'--workdir={run}', '--step=2']) == 0
    stored = json.loads((run / 'checkpoints' / '2' / 'meta.json').read_text())['digest']
    assert capsys.readouterr().out.splitlines()[-1] == stored
    assert '3' in fails(capsys, 'digest', f'--workdir={run}', '--step=3')


def pixels(path):
    """A picture as int [H, W] or [H, W, 3]."""
    with Image.open(path) as image:
        return np.asarray(image, int)


def sample(run, output, *flags):
    assert cli.main(['sample', f'--workdir={run}', f'--output={output}', *flags]) == 0
    return output


def test_a_grid_has_a_column_for_each_class_asked_for(run, tmp_path):
    path = sample(run, tmp_path / 'new' / 'grid.png', '--num=12', '--labels=3,5,7')
    assert pixels(path).shape == (4 * 30 + 2, 3 * 30 + 2)


def test_files_are_named_by_class_and_do_not_depend_on_their_number(run, tmp_path):
    many = sample(run, tmp_path / 'many', '--num=70', '--labels=1,2')
    few = sample(run, tmp_path / 'few', '--num=3', '--labels=1,2')
    assert len(list(many.iterdir())) == 70
    assert [path.name for path in sorted(few.iterdir())] == [
        '00000_1.png', '00001_2.png', '00002_1.png',
    ]  # fmt: skip
    for path in few.iterdir():
        assert np.abs(pixels(path) - pixels(many / path.name)).max() <= 1
    other = sample(run, tmp_path / 'other', '--num=3', '--labels=1,2', '--seed=1')
    assert any((few / path.name).read_bytes() != path.read_bytes() for path in other.iterdir())


def test_small_images_can_be_enlarged(run, tmp_path):
    once = pixels(sample(run, tmp_path / 'a', '--num=1', '--labels=1') / '00000_1.png')
    path = sample(run, tmp_path / 'b', '--num=1', '--labels=1', '--scale=3') / '00000_1.png'
    np.testing.assert_array_equal(pixels(path), once.repeat(3, 0).repeat(3, 1))


def test_a_walk_is_a_gif_of_as_many_frames(run, tmp_path):
    path = sample(run, tmp_path / 'walk.gif', '--walk=8', '--num=4')
    with Image.open(path) as image:
        assert image.n_frames == 8 and image.size == (62, 62)


SAMPLE_MISTAKES = {
    'class': (['--labels=10', '--output=a.png'], "--labels: '10' is no class"),
    'word': (
        ['--labels=cat', '--output=a.png'],
        "--labels: 'cat' is no class; choose from 0, 1, 2",
    ),
    'walk': (['--walk=5', '--output=a.png'], '--walk=5 makes a .gif'),
    'suffix': (['--output=a.webp'], '--output=a.webp: must end with .png or .gif or .npz'),
    'number': (['--num=0', '--output=a.png'], '--num'),
}


@pytest.mark.parametrize('flags, message', SAMPLE_MISTAKES.values(), ids=SAMPLE_MISTAKES)
def test_a_mistake_in_sampling_is_one_line(flags, message, run, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in fails(capsys, 'sample', f'--workdir={run}', *flags)


def test_classes_of_an_unconditional_generator_are_refused(train_once, tmp_path, capsys):
    workdir = train_once(trainer_test.tiny(), tmp_path / 'run')
    output = f'--output={tmp_path}/a.png'
    line = fails(capsys, 'sample', f'--workdir={workdir}', '--labels=1', output)
    assert 'unconditional' in line


def test_data_shows_what_the_discriminator_sees(tmp_path, capsys):
    output = tmp_path / 'sheet.png'
    flags = ['--config.data.num_examples=200', '--config.augment=cutout', f'--output={output}']
    assert cli.main(['data', *flags]) == 0
    text = capsys.readouterr().out
    assert 'sheet.png: the first 100 images as the discriminator' in text
    assert re.search(r'images +200\n', text) and re.search(r'fingerprint +[0-9a-f]{64}', text)
    grid = pixels(output)
    assert grid.shape == (302, 302)
    # Cutout leaves the middle of the range, grey, which MNIST itself hardly has.
    assert np.mean((grid == 127) | (grid == 128)) > 0.1


def test_data_says_how_few_images_there_are(tmp_path, capsys):
    few = ['--config.data.num_examples=48', '--config.data.enough=49', '--config.batch_size=8']
    assert cli.main(['data', *few, f'--output={tmp_path}/sheet.png']) == 0
    found = capsys.readouterr()
    assert found.err.count('warning: 48 images are fewer than 49: expect copies') == 1
    assert 'sheet.png: views of 48 images as the discriminator' in found.out
    assert cli.main(['data', *few[:1], *few[2:], f'--output={tmp_path}/sheet.png']) == 0
    assert 'warning' not in capsys.readouterr().err


def test_data_counts_also_what_is_too_few_to_train_on(capsys):
    few = ['--config.data.num_examples=5', '--config.batch_size=8', '--config.conditional=False']
    assert cli.main(['data', *few]) == 2
    found = capsys.readouterr()
    assert re.search('^images +5$', found.out, re.MULTILINE) and 'batch_size=8' in found.err


def test_data_shows_pairs_whatever_the_networks_take(tmp_path, capsys):
    for number in range(40):
        folder = tmp_path / 'album' / f'class {number % 20:02}'
        folder.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (5, 5, 3), np.uint8)
        Image.fromarray(noise).resize((40, 30)).save(folder / f'{number}.png')
    output = tmp_path / 'sheet.png'
    flags = [f'--config.data.path={tmp_path}/album', '--config.data.image_size=16']
    flags += ['--config.data.jitter=2', '--config.data.flip=true', f'--output={output}']
    pairs = ['--config.data.name=pairs', '--config.data.input=grey', '--config.data.held_out=0.2']
    pairs += ['--config.conditional=False']
    assert cli.main(['data', '--config=quickstart', *pairs, *flags]) == 0
    text = capsys.readouterr().out
    assert re.search(r'shape +\[16, 32, 3\]\n', text) and re.search(r'splits +t\w+: \d+, t', text)
    assert pixels(output).shape == (20 * 18 + 2, 5 * 34 + 2, 3)
    assert cli.main(['data', '--config=quickstart', '--config.data.name=folder', *flags]) == 0
    assert 'class 11: 2, and 8 more\n' in capsys.readouterr().out
