"""A trained translator in use: files of any size, the command, and what it refuses."""

import functools
import json
import shutil

import jax
import numpy as np
from PIL import Image
import pytest

from gan_jax import cli
from gan_jax.data import inputs
from gan_jax.evaluation import pairs, text
from gan_jax.use import assessing_pairs, exporting, translating
from tests import gans, trainer_test
from tests.cli.commands_test import fails
from tests.data import photos

SIDE = 64
CONFIGS = {'paper': gans.pix2pix, 'projected': gans.pix2pix_projected}
SLOW = pytest.param('projected', marks=pytest.mark.slow)  # two nets and a frozen one to compile
PAPER = pytest.param('paper', marks=pytest.mark.newest)
EACH = pytest.mark.parametrize('run', [PAPER, SLOW], indirect=True)


def tiny(folder, kind='paper', **changes):
    """A run on photos, every random thing on, in a fraction of a second a step."""
    return CONFIGS[kind](
        **{
            'data.name': 'pairs',
            'data.path': str(folder),
            'data.held_out': 0.4,
            'data.flip': True,
            'data.jitter': 3,
            **trainer_test.SHORT,
            'evaluate.every': 1.0,
            'evaluate.metrics': (),
            'evaluate.best': 'l1_held_out',
            **changes,
        }
    )


@pytest.fixture(scope='module')
def runs(album, train_once, tmp_path_factory):
    """Runs that were never interrupted, by their name."""
    home = tmp_path_factory.mktemp('translators')
    return functools.cache(lambda kind: train_once(tiny(album, kind), home / kind))


@pytest.fixture
def run(request, runs):
    """The paper's, or the one that a test asks for."""
    return runs(getattr(request, 'param', 'paper'))


@EACH
def test_resumed_equals_uninterrupted(run, album, tmp_path):
    workdir = tmp_path / 'resumed'
    shutil.copytree(run, workdir)
    shutil.rmtree(workdir / 'checkpoints' / '4')
    trainer_test.train(tiny(album, run.name), workdir)
    assert trainer_test.digest(workdir) == trainer_test.digest(run)
    assert trainer_test.lines(workdir) == trainer_test.lines(run)
    assert trainer_test.evaluations(workdir) == trainer_test.evaluations(run)
    grids = [(folder / 'samples' / '000004.png').read_bytes() for folder in (run, workdir)]
    assert grids[0] == grids[1]


@EACH
def test_a_file_becomes_what_its_preview_is(run, tmp_path, capsys):
    """Bit for bit, from the photo that is the third panel of a preview, and a grey one."""
    grid = pixels(run / 'samples' / '000004.png')
    # Four previews in two columns, two of training and two of held-out pairs, 2 pixels apart.
    assert grid.shape == (2 * (SIDE + 2) + 2, 2 * (3 * SIDE + 2) + 2, 3)
    row = grid[2 : 2 + SIDE, 2 : 2 + 3 * SIDE]
    given, made, photo = np.split(row, 3, axis=1)
    np.testing.assert_array_equal(given, inputs.grey(photo))
    Image.fromarray(photo).save(tmp_path / 'photo.png')
    Image.fromarray(given[..., 0]).save(tmp_path / 'grey.png')
    for name in ('photo', 'grey'):
        output = tmp_path / f'{name}_made.png'
        flags = [f'--input={tmp_path}/{name}.png', f'--output={output}']
        assert cli.main(['translate', f'--workdir={run}', *flags]) == 0
        np.testing.assert_array_equal(pixels(output), made)
    assert 'wrote' in capsys.readouterr().out and len(np.unique(made)) > 1


def pixels(path):
    """uint8 [H, W, C] of an image file."""
    with Image.open(path) as image:
        return np.asarray(image)


def size(path):
    """(width, height) of an image file."""
    with Image.open(path) as image:
        return image.size


def ready(run, **options):
    loaded = translating.trained.load(run, pick=translating.generator)
    return translating.Ready(loaded, translating.Options(**options))


def test_only_the_generator_is_read(run):
    loaded = translating.trained.load(run, pick=translating.generator)
    unread = loaded.state.nets.disc, loaded.state.nets.gen.opt_state
    leaves = jax.tree.leaves(unread)
    assert leaves and all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves)
    whole = translating.trained.load(run).state.nets.gen.variables
    for got, want in zip(
        jax.tree.leaves(loaded.state.nets.gen.variables), jax.tree.leaves(whole), strict=True
    ):
        np.testing.assert_array_equal(got, want)


def test_edges_are_those_of_training_and_may_be_given(run):
    translator = ready(run)
    translator._make = inputs.make(tiny('x', **{'data.input': 'canny'}).data)
    photo = photos.photo(1, (SIDE, SIDE))
    content = photos.encoded(photo, 'PNG')
    edges = translator.read(content)
    np.testing.assert_array_equal(edges, inputs.canny(np.asarray(photo), 100, 200))
    given = ready(run, as_it_is=True).read(photos.encoded(Image.fromarray(edges), 'PNG'))
    np.testing.assert_array_equal(given, edges)


@pytest.mark.parametrize('size', [(64, 64), (64, 90), (200, 64), (129, 70), (16, 100), (5, 7)])
def test_tiles_of_an_unchanging_function_leave_an_image_as_it_is(size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    seen = []

    def call(tile):
        assert tile.shape == (SIDE, SIDE, 3) and tile.dtype == np.uint8
        seen.append(tile)
        return tile

    np.testing.assert_array_equal(translating.tiled(call, image, (SIDE, SIDE)), image)
    assert (len(seen) == 1) == (max(size) <= SIDE)


def test_seams_are_blended():
    """Tiles of constant but different grey meet in a ramp."""
    levels = iter((0, 200))
    seamed = translating.tiled(
        lambda tile: np.full_like(tile, next(levels)),
        np.zeros((64, 112, 3), np.uint8),
        (SIDE, SIDE),
    )
    made = seamed[30, :, 0]
    assert made[47] == 0 and made[64] == 200
    steps = np.diff(made[47:65].astype(int))
    assert (steps > 0).all() and steps.max() <= 20


def test_results_have_the_size_of_the_image_or_the_runs(run):
    content = photos.encoded(photos.photo(0, (150, 100)))
    translator = ready(run)
    assert translator(translator.read(content)).shape == (100, 150, 3)
    translator = ready(run, resize=True)
    assert translator(translator.read(content)).shape == (64, 96, 3)


def test_a_folder_keeps_its_names_and_what_cannot_be_read_is_named(run, tmp_path, capsys):
    source, output = tmp_path / 'in', tmp_path / 'out'
    photos.album(source / 'deep' / 'er', 2, (40, 30))
    photos.album(source, 1)
    Image.fromarray(np.zeros((9, 9), np.uint16)).save(source / 'deep16.png')
    Image.new('RGBA', (SIDE, SIDE), (9, 9, 9, 0)).save(source / '000.png')
    (source / 'bad.jpg').write_bytes(b'no image')
    (source / 'small.png').write_bytes(photos.encoded(photos.photo(0, (7, 90)), 'PNG'))
    flags = [f'--workdir={run}', f'--input={source}', f'--output={output}']
    assert cli.main(['translate', *flags]) == 0
    text = capsys.readouterr()
    lines = [line for line in text.err.splitlines() if not line.startswith('translate ')]
    taken, bad, small = sorted(lines)
    assert taken == 'not translated: 000.png: 000.jpg has the same name'
    assert bad.startswith('unreadable: bad.jpg') and '7x90 pixels are too few' in small
    found = {str(path.relative_to(output)): size(path) for path in output.rglob('*.png')}
    assert found == {
        '000.png': (96, 80),
        'deep16.png': (9, 9),
        'deep/er/000.png': (40, 30),
        'deep/er/001.png': (40, 30),
    }
    assert f'wrote {output}: 4 of 7 images' in text.out
    before = photos.listing(output)
    line = fails(capsys, 'translate', *flags)
    assert '4 of 6 results are there, such as' in line
    assert photos.listing(output) == before
    assert cli.main(['translate', *flags, '--overwrite']) == 0


def test_an_output_is_a_file_or_a_folder_by_its_name_and_what_is_there(album, tmp_path):
    one = album / '000.jpg'
    (tmp_path / 'there.png').mkdir()
    for source, name, result in (
        (one, 'o.PNG', 'o.PNG'),
        (one, 'o', 'o/000.png'),
        (one, 'there.png', 'there.png/000.png'),
        (album, 'v1.2', 'v1.2/000.png'),
    ):
        found = translating.plan(source, tmp_path / name, overwrite=False)
        assert found.jobs[0].output == tmp_path / result
        assert found.folder == (tmp_path / result).parent


def test_a_line_is_not_resized_beyond_what_is_decoded(run):
    line = photos.encoded(Image.new('RGB', (100_000, 1)), 'PNG')
    with pytest.raises(translating.decode.Unreadable, match='would become 6400000x64'):
        ready(run, resize=True).read(line)


MISTAKES = {
    'no such file': (['--input=none.png', '--output=o'], '--input=none.png cannot be opened'),
    'over the input': (['--input=in/b.png', '--output=in/b.png'], 'in/b.png is an input'),
    'over it by its name': (['--input=in/b.png', '--output=in'], 'in/b.png is an input'),
    'over inputs': (['--input=in', '--output=.'], 'in/b.png is an input'),
    'file of a folder': (['--input=in', '--output=o.png'], 'of a folder of images give a folder'),
    'picture of a folder': (['--input=in', '--output=o.jpg'], 'of a folder of images give'),
    'suffix': (['--input=in/b.png', '--output=o.jpg'], '--output=o.jpg: must end with .png'),
    'unreadable': (['--input=bad.jpg', '--output=o.png'], '--input=bad.jpg: not an image'),
    'nothing readable': (['--input=broken', '--output=o'], 'no image in it can be translated'),
    'empty': (['--input=empty', '--output=o'], '--input=empty holds no images'),
    'precision': (['--input=in', '--output=o', '--precision=int8'], '--precision=int8: must be'),
}


@pytest.mark.parametrize('case', MISTAKES)
def test_a_mistake_is_one_line(case, run, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ('in', 'broken', 'empty', 'out/in/in'):
        (tmp_path / folder).mkdir(parents=True)
    for name in ('in/b.png', 'out/in/b.png', 'out/in/in/b.png'):
        photos.photo(0, (SIDE, SIDE)).save(name)
    for name in ('bad.jpg', 'broken/a.jpg', 'broken/b.jpg'):
        (tmp_path / name).write_bytes(b'no image')
    flags, message = MISTAKES[case]
    if case == 'over inputs':
        monkeypatch.chdir(tmp_path / 'out')
    before = {k: v for k, v in photos.listing(tmp_path).items() if not (tmp_path / k).is_dir()}
    assert message in fails(capsys, 'translate', f'--workdir={run}', *flags)
    after = {k: v for k, v in photos.listing(tmp_path).items() if not (tmp_path / k).is_dir()}
    assert after == before


def test_while_it_trains_it_is_measured_as_afterwards(run, tmp_path):
    workdir = tmp_path / 'run'
    shutil.copytree(run, workdir)
    assert cli.main(['evaluate', f'--workdir={workdir}', '--num_samples=3']) == 0
    splits = json.loads((workdir / 'evaluation.json').read_text())['splits']
    row = trainer_test.evaluations(run)[-1]
    assert row['step'] == 4
    for split, suffix in (('train', ''), ('held_out', '_held_out')):
        assert splits[split]['images'] == 3
        for name, value in splits[split]['scores']['translated'].items():
            assert row[f'{name}{suffix}'] == value
    assert 'L1' in (workdir / 'report.html').read_text()
    best = min(trainer_test.evaluations(run), key=lambda row: row['l1_held_out'])['step']
    assert translating.trained.load(run, 'best').state.step == best


@pytest.mark.newest
def test_it_is_measured_beside_its_input_and_the_mean_photo(run, tmp_path, capsys):
    other = photos.album(tmp_path, 2, (80, 80), first=50)
    assert cli.main(['evaluate', f'--workdir={run}', f'--reference={other}']) == 0
    printed = capsys.readouterr().out
    assert 'mean training photo' in printed
    found = json.loads((run / 'evaluation.json').read_text())
    assert found['step'] == 4 and found['inference']['moments'] == 'image'
    splits = found['splits']
    assert list(splits) == ['train', 'held_out', 'other_domain']
    assert splits['train']['images'] + splits['held_out']['images'] == 6
    assert splits['other_domain']['images'] == 2 and splits['other_domain']['set'] == str(other)
    for split in splits.values():
        assert list(split['scores']) == ['translated', 'input', 'mean_photo']
        for values in split['scores'].values():
            assert all(np.isfinite(value) for value in values.values())
            assert len(values) == 5
    # By hand: the input of a grey run, and the translations, of all training pairs.
    grid = pixels(run / 'samples' / '000004.png')[2 : 2 + SIDE, 2 : 2 + 3 * SIDE]
    assert splits['train']['scores']['input']['edge_agreement'] == 1
    loaded = translating.trained.load(run)
    training = assessing_pairs.find(loaded, run, 100, '')[0]
    by_hand = [
        np.abs(ready(run)(given).astype(float) - photo).mean() / 127.5 for given, photo in training
    ]
    assert splits['train']['scores']['translated']['l1'] == pytest.approx(np.mean(by_hand))
    np.testing.assert_array_equal(next(iter(training))[1], grid[:, 2 * SIDE :])
    page = (run / 'report.html').read_text()
    for split in splits.values():
        assert all(
            f'({split["set"]}), fingerprint {split["fingerprint"][:12]}' in text
            for text in (printed, page)
        )
    assert 'Beside the photos it should make' in page and 'Input, translation, photo' in page
    assert (run / 'translations.png').exists()


def test_a_distance_of_enough_pairs_is_shown_with_what_it_is_by(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(assessing_pairs, 'ENOUGH', 12)
    other = photos.album(tmp_path, 12, (SIDE, SIDE), first=50)
    flags = [f'--reference={other}', '--features=digits']
    assert cli.main(['evaluate', f'--workdir={run}', *flags]) == 0
    printed, page = capsys.readouterr().out, (run / 'report.html').read_text()
    splits = json.loads((run / 'evaluation.json').read_text())['splits']
    net, distance = splits['other_domain']['features'], splits['other_domain']['frechet_digits']
    assert 'features' not in splits['train']
    facts = 'digits, version', net['fingerprint'][:12], net['resize'], '12 (', f'{distance:.4g}'
    for shown in (printed, page):
        assert shown.count('FD-digits') == 2 and all(fact in shown for fact in facts)
    [row] = [line for line in printed.splitlines() if line.startswith('12 other photos')]
    assert row.split()[-1] == f'{distance:.4g}'
    assert 'FD-digits' not in ''.join(text.pair_rows({'splits': {'train': splits['train']}})[0])


def test_a_net_without_its_weights_is_refused_before_anything_is_translated(
    run, capsys, monkeypatch
):
    monkeypatch.setattr(pairs, 'score', None)
    monkeypatch.setattr(assessing_pairs, 'ENOUGH', 2)
    line = fails(capsys, 'evaluate', f'--workdir={run}', '--features=inception')
    assert '--features=inception needs its weights' in line


EVALUATION_MISTAKES = {
    'weights': (['--weights=none.pth'], '--weights=none.pth: no such file; name another, or'),
    'no folder': (['--reference=nowhere'], '--reference=nowhere cannot be opened'),
    'empty': (['--reference=empty'], '--reference=empty holds no images'),
    'broken': (['--reference=broken'], '--reference: none of 1 images can be used'),
}


@pytest.mark.parametrize('flags, message', EVALUATION_MISTAKES.values(), ids=EVALUATION_MISTAKES)
def test_a_mistake_in_measuring_it_is_one_line(flags, message, run, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pairs, 'score', None)
    for folder in ('empty', 'broken'):
        (tmp_path / folder).mkdir()
    (tmp_path / 'broken' / 'a.jpg').write_bytes(b'no image')
    line = fails(capsys, 'evaluate', f'--workdir={run}', *flags)
    assert message in line and 'config.data' not in line


@EACH
def test_exported_it_makes_of_any_batch_what_it_makes_of_each(run, tmp_path, capsys):
    path = tmp_path / 'translator.bin'
    assert cli.main(['export', f'--workdir={run}', f'--output={path}']) == 0
    assert "takes image uint8['N', 64, 64, 3]" in capsys.readouterr().out
    found = exporting.load(path)
    assert found.difference < 1e-5
    image = np.asarray(photos.photo(3, (SIDE, SIDE)))
    made = np.asarray(found.call(np.stack([image[::-1], image])))[1]
    levels = np.rint(255 * made.astype(np.float64))
    wanted = ready(run)(image)
    assert np.abs(levels - wanted).max() <= 1 and np.mean(levels != wanted) < 0.01
