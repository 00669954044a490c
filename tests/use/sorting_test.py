"""Photos in folders: what is copied where, what is promised, and that no album is touched."""

import csv

import numpy as np
from PIL import Image
import pytest

from gan_jax import cli, data
from gan_jax.data import image_files
from gan_jax.use import sorting, trained
from tests.cli.commands_test import fails
from tests.data.photos import listing
from tests.use import classifying_test

run = classifying_test.run  # it kept ten labels from training


@pytest.fixture
def album(tmp_path):
    """Twelve digits, of which one is put into a folder of its class, and a broken file."""
    folder = tmp_path / 'album'
    for name in ('more', '7'):
        (folder / name).mkdir(parents=True)
    images = data.load(classifying_test.tiny().data).arrays().image
    for number, image in enumerate(images[:12]):
        place = '7' if number == 11 else 'more' if number % 2 else '.'
        Image.fromarray(image[..., 0]).save(folder / place / f'{number // 2}.png')
    (folder / 'broken.jpg').write_bytes(b'\xff\xd8 no image')
    return folder


def sorted_into(run, album, output, *flags):
    paths = f'--workdir={run}', f'--input={album}', f'--output={output}'
    return cli.main(['classify', *paths, *flags])


def draws(logits, seed):
    shares = sorting.at_temperature(np.exp(logits), 1.0)
    noise = np.random.default_rng(seed).gumbel(size=logits.shape)
    return shares, (logits + noise).argmax(axis=1)


@pytest.mark.parametrize('factor', [0.5, 1.0, 3.0])
def test_the_temperature_is_that_of_a_classifier_that_is_too_sure(factor):
    logits = np.random.default_rng(0).normal(size=(5_000, 6)) * 2
    _, label = draws(logits, 1)
    too_sure = sorting.at_temperature(np.exp(logits), 1 / factor)
    np.testing.assert_allclose(sorting.temperature(too_sure, label), factor, rtol=0.1)


def test_few_labels_move_the_temperature_little():
    probability = np.array([[0.9, 0.1]] * 3)
    assert 0.4 < sorting.temperature(probability, np.zeros(3, int)) < 1


def test_as_many_are_sure_as_have_the_share_of_mistakes():
    confidence = np.random.default_rng(0).uniform(0.5, 1, 200)
    found = sorting.sure(confidence, 0.1)
    assert (1 - confidence[found]).mean() <= 0.1
    assert confidence[found].min() >= confidence[~found].max()
    one_more = np.append(confidence[found], confidence[~found].max())
    assert (1 - one_more).mean() > 0.1
    assert sorting.sure(confidence, 1.0).all() and not sorting.sure(confidence, 0.0).any()


def test_the_share_that_is_promised_is_that_of_the_mistakes():
    logits = np.random.default_rng(0).normal(size=(20_000, 6)) * 3
    shares, label = draws(logits, 1)
    confidence = shares.max(axis=1)
    chosen = sorting.sure(confidence, 0.05)
    wrong = (shares.argmax(axis=1) != label)[chosen].mean()
    np.testing.assert_allclose(wrong, (1 - confidence[chosen]).mean(), atol=0.01)


@pytest.mark.parametrize('mistakes', [0.0, 0.8, 1.0])
def test_every_photo_has_one_copy_and_the_album_stays(mistakes, run, album, tmp_path, capsys):
    before, output = listing(album), tmp_path / 'new' / 'sorted'
    assert sorted_into(run, album, output, f'--mistakes={mistakes}') == 0
    assert listing(album) == before
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith('unreadable: broken.jpg')
    rows = list(csv.DictReader((output / sorting.TABLE).read_text().splitlines()))
    names = {path.relative_to(album).as_posix() for path in album.rglob('*.png')}
    assert {row['file'] for row in rows} == names and len(rows) == 12
    copies = {path.relative_to(output).as_posix() for path in output.rglob('?.png')}
    assert copies == {f'{row["folder"]}/{row["file"]}' for row in rows}
    for row in rows:
        place, original = output / row['folder'] / row['file'], album / row['file']
        assert place.read_bytes() == original.read_bytes()
        assert place.stat().st_mtime == original.stat().st_mtime
        assert row['folder'] in (row['class'], sorting.UNSURE)
    unsure = [row for row in rows if row['folder'] == sorting.UNSURE]
    assert {0.0: len(unsure) == 12, 1.0: not unsure}.get(mistakes, True)
    with Image.open(output / sorting.SHEET) as sheet:
        assert sheet.width > sorting.CELL


def test_what_a_user_has_sorted_stays_in_its_class(run, album):
    loaded = trained.load(run)
    for path in [*album.glob('*.png')]:  # an album has classes where all lie in folders
        path.rename(album / 'more' / f'{path.stem}0.png')
    (album / 'broken.jpg').unlink()
    found = image_files.find(album)
    uniform = sorting.classifying.Answer('0', 0.1, '', *(np.full(10, 0.1, np.float32),) * 2)
    calibration = sorting.Calibration(1.0, 10)
    photos = sorting.plan(loaded, found, [uniform] * len(found), calibration, 0.0)
    assert {p.folder for p in photos if p.name.startswith('7/')} == {'7'}
    assert {p.folder for p in photos if not p.name.startswith('7/')} == {sorting.UNSURE}
    assert [p.given for p in photos] == [p.name.startswith('7/') for p in photos]


def test_a_second_sorting_moves_copies_and_leaves_other_files(run, album, tmp_path, capsys):
    output = tmp_path / 'sorted'
    assert sorted_into(run, album, output, '--mistakes=1') == 0
    (output / '3').mkdir(exist_ok=True)
    (output / '3' / 'mine.txt').write_text('mine')
    assert '--overwrite' in fails(
        capsys, 'classify', f'--workdir={run}', f'--input={album}', f'--output={output}'
    )
    assert sorted_into(run, album, output, '--mistakes=0', '--overwrite') == 0
    assert len([*output.rglob('?.png')]) == 12
    assert len([*(output / sorting.UNSURE).rglob('?.png')]) == 12
    assert (output / '3' / 'mine.txt').read_text() == 'mine'


REFUSED = {
    'into the album': (['--output={album}/new'], 'is inside --input='),
    'share': (['--output={home}/new', '--mistakes=2'], '--mistakes'),
    'suffix': (['--output={home}/new.txt'], '.csv'),
}


@pytest.mark.parametrize('words, message', REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_one_line_and_leaves_nothing(words, message, run, album, tmp_path, capsys):
    before = listing(tmp_path)
    words = [word.format(album=album, home=tmp_path) for word in words]
    line = fails(capsys, 'classify', f'--workdir={run}', f'--input={album}', *words)
    assert message in line and listing(tmp_path) == before


def test_a_run_that_kept_no_label_cannot_tell_what_it_is_sure_of(
    train_once, album, tmp_path, capsys
):
    """The packaged digits have no test split either."""
    changes = {'data.labels.validation': 0, 'data.labels.number': 20}
    run = train_once(classifying_test.tiny(**changes), tmp_path / 'run')
    output = tmp_path / 'new'
    line = fails(capsys, 'classify', f'--workdir={run}', f'--input={album}', f'--output={output}')
    assert '--config.data.held_out' in line and not output.exists()


def test_a_class_with_an_odd_name_has_a_folder_inside_the_output(run):
    names = ('..', 'a/b', '', sorting.UNSURE, '/etc', *'56789')
    odd = trained.load(run)._replace(class_names=names)
    found = sorting.folders(odd)
    assert len({*found}) == 11 and not {*found[:-1]} & {'..', '', '.', sorting.UNSURE}
    assert not any('/' in folder for folder in found)
