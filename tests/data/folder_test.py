import hashlib
import os
import shutil

import numpy as np
from PIL import Image
import pytest

from gan_jax import data
from gan_jax.data import cache, decode, duplicates, from_files, image_files
from gan_jax.errors import UserError
from gan_jax.types import DataSpec
from tests.data.decode_test import bomb
from tests.data.photos import album, encoded, listing, photo


@pytest.fixture
def config(make_config, own_cache, tmp_path):
    return make_config(name='folder', image_size=16, path=str(tmp_path / 'set'))


def test_images_are_the_centred_squares_in_order_of_their_names(config, tmp_path):
    album(tmp_path / 'set', 5)
    dataset = data.load(config.data)
    assert dataset.spec == DataSpec((16, 16, 3), 0, 5) and dataset.class_names == ()
    for index, image in enumerate(dataset.arrays().image):
        content = (tmp_path / f'set/{index:03}.jpg').read_bytes()
        expected = decode.fitted(decode.read(content, least_side=16), (16, 16))
        np.testing.assert_array_equal(image, expected)


def test_folders_are_classes(config, tmp_path):
    for number, name in enumerate(['cat', 'dog']):
        album(tmp_path / 'set' / name, 3, first=10 * number)
    dataset = data.load(config.data)
    assert dataset.class_names == ('cat', 'dog') and dataset.spec.num_classes == 2
    assert dataset.arrays().label.tolist() == [0, 0, 0, 1, 1, 1]


def test_grey_is_kept_grey_and_colours_become_it(config, tmp_path):
    album(tmp_path / 'set', 3)
    colours = data.load(config.data).arrays().image
    config.data.channels = 'grey'
    dataset = data.load(config.data)
    assert dataset.spec == DataSpec((16, 16, 1), 0, 3)
    luma = colours @ np.array([0.299, 0.587, 0.114])
    assert np.abs(dataset.arrays().image[..., 0] - luma).max() < 3


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
@pytest.mark.parametrize('channels', decode.CHANNELS)
def test_every_level_is_stored_and_read_as_it_is(channels, dtype, config, tmp_path):
    (tmp_path / 'set').mkdir()
    deep = dtype == np.uint16
    levels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (5, 16, 16), dtype)
    for number, image in enumerate(levels):
        (tmp_path / f'set/{number}.png').write_bytes(encoded(Image.fromarray(image), 'PNG'))
    config.data.update(channels=channels, deep=deep)
    dataset = data.load(config.data)
    assert dataset.spec == DataSpec((16, 16, decode.CHANNELS[channels]), 0, 5, deep=deep)
    for image in (dataset.arrays().image, dataset.source.take(np.arange(5)).image):
        assert image.dtype == dtype
        np.testing.assert_array_equal(image[..., 0], levels)


def test_sets_of_colours_are_found_where_earlier_versions_left_them(config, tmp_path):
    album(tmp_path / 'set', 2)
    found = image_files.find(tmp_path / 'set')
    how = from_files.VERSION, decode.abilities()
    text = repr((*how, 16, 16, 1, (), found.state, 0))
    data.load(config.data).arrays()
    key = f'folder-{hashlib.sha256(text.encode()).hexdigest()[:16]}'
    assert cache.decoded_folder(key, from_files.STORED).is_dir()


def test_crop_and_jitter_change_what_is_stored(config, tmp_path):
    album(tmp_path / 'set', 2)
    whole = data.load(config.data).arrays().image
    config.data.crop = 40
    cut = data.load(config.data).arrays().image
    content = (tmp_path / 'set/000.jpg').read_bytes()
    np.testing.assert_array_equal(cut[0], decode.fitted(decode.read(content), (16, 16), 40))
    config.data.jitter = 4
    dataset = data.load(config.data)
    assert dataset.spec.image_shape == (16, 16, 3)
    assert dataset.arrays().image.shape == (2, 20, 20, 3)
    assert not np.array_equal(whole, cut)


def test_a_zip_is_as_good_as_the_folder(config, tmp_path):
    album(tmp_path / 'set', 4)
    from_folder = data.load(config.data)
    shutil.make_archive(str(tmp_path / 'photos'), 'zip', tmp_path / 'set')
    config.data.path = str(tmp_path / 'photos.zip')
    assert data.load(config.data).fingerprint == from_folder.fingerprint


def test_a_second_start_decodes_nothing_and_a_changed_folder_is_noticed(
    config, tmp_path, monkeypatch
):
    album(tmp_path / 'set', 4)
    first = data.load(config.data)
    read, calls = decode.read, []
    monkeypatch.setattr(decode, 'read', lambda *args, **kw: calls.append(1) or read(*args, **kw))
    assert data.load(config.data).fingerprint == first.fingerprint and not calls
    (tmp_path / 'set/001.jpg').write_bytes(encoded(photo(77)))
    assert data.load(config.data).fingerprint != first.fingerprint and len(calls) == 4


def spoil(folder):
    """One of every file that cannot be used; the names of those that are reported."""
    whole = encoded(photo(5))
    contents = {
        'empty.jpg': b'',
        'text.png': b'no pixels',
        'truncated.jpg': whole[: len(whole) // 2],
        'bomb.png': bomb(15_000),
        'cut.gif': encoded(photo(6), 'GIF')[:500],
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    os.mkfifo(folder / 'pipe.jpg')
    (folder / 'loop.jpg').symlink_to(folder / 'loop.jpg')
    (folder / 'up').symlink_to(folder)
    with open(os.fsencode(folder) + b'/\xff\xfe.jpg', 'wb') as file:
        file.write(b'x')
    return [*contents, 'pipe.jpg', 'loop.jpg', r'\xff\xfe.jpg']


def test_what_cannot_be_used_is_named_and_counted_and_the_rest_is_used(config, tmp_path, capsys):
    folder = album(tmp_path / 'set', 6)
    bad = spoil(folder)
    before = listing(folder)
    dataset = data.load(config.data)
    assert dataset.spec.num_examples == 6
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith(f'{len(bad)} left out (')
    facts = dataset.facts()
    assert facts['left_out'] == len(bad)
    rows = from_files._rows(from_files.Path(facts['files']))
    assert sorted(row['file'] for row in rows if not row['image']) == sorted(bad)
    assert all(row['why_not'] for row in rows if not row['image'])
    why = {row['file']: row['why_not'] for row in rows}
    assert why['empty.jpg'] == 'the file is empty' and why['text.png'] == 'not an image'
    assert '15000x15000 pixels' in why['bomb.png'] and 'pipe' not in why['000.jpg']
    assert listing(folder) == before


def test_nothing_is_written_outside_the_cache(config, tmp_path, monkeypatch):
    album(tmp_path / 'set', 3)
    (tmp_path / 'home').mkdir()
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    monkeypatch.chdir(tmp_path / 'home')
    config.data.held_out = 0.5
    data.load(config.data)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['cache', 'home', 'set']
    assert not list((tmp_path / 'home').iterdir())


@pytest.mark.parametrize('case', ['nothing readable', 'empty', 'missing', 'no path', 'no size'])
def test_an_error_only_when_nothing_is_left(config, tmp_path, case):
    (tmp_path / 'set').mkdir()
    if case == 'nothing readable':
        spoil(tmp_path / 'set')
    expected = {
        'nothing readable': 'none of 6 images can be used .*loop.jpg.* and 5 more.; give whole',
        'empty': 'holds no images',
        'missing': 'cannot be opened .No such file',
        'no path': 'config.data.path is empty: give --config.data.path=FOLDER',
        'no size': 'config.data.image_size=0: the set folder needs a size, e.g. 64',
    }[case]
    config.data.path = {'missing': '/no/such', 'no path': ''}.get(case, config.data.path)
    config.data.image_size = 0 if case == 'no size' else 16
    for _ in range(2):  # a failed preparation leaves nothing that a second start would trust
        with pytest.raises(UserError, match=expected):
            data.load(config.data)


def test_images_outside_the_classes_have_no_label_and_both_feeds_say_so(config, tmp_path):
    for number, name in enumerate(('cats', 'dogs', 'unsorted')):
        album(tmp_path / 'set' / name, 3, first=10 * number)
    album(tmp_path / 'set', 2, first=90)
    config.data.unlabelled = 'unsorted'
    dataset = data.load(config.data)
    assert dataset.class_names == ('cats', 'dogs') and dataset.spec.num_classes == 2
    # In the order of the names: 000.jpg and 001.jpg come before the folders.
    expected = [-1] * 2 + [0] * 3 + [1] * 3 + [-1] * 3
    assert dataset.arrays().label.tolist() == dataset.source.labels().tolist() == expected
    assert dataset.source.take(np.arange(11)).label.tolist() == expected
    config.data.unlabelled = ''
    assert data.load(config.data).class_names == ()


@pytest.mark.parametrize('name', ['Unlabelled', 'unlabeled', 'un-labelled'])
def test_a_misspelt_folder_of_the_unlabelled_is_no_class(config, tmp_path, name):
    for number, folder in enumerate(('cats', 'dogs', name)):
        album(tmp_path / 'set' / folder, 2, first=10 * number)
    config.data.unlabelled = 'unlabelled'
    with pytest.raises(UserError, match=f'the sub-folder {name!r} would be a class'):
        data.load(config.data)
    config.data.unlabelled = name
    assert data.load(config.data).class_names == ('cats', 'dogs')
    config.data.unlabelled = 'rest'
    with pytest.raises(UserError, match="config.data.unlabelled='rest': .* choose from "):
        data.load(config.data)


def test_a_photo_in_two_classes_is_one_line_and_in_one_of_them_is_none(config, tmp_path):
    for number, folder in enumerate(('cats', 'dogs', 'unlabelled')):
        album(tmp_path / 'set' / folder, 3, first=10 * number)
    config.data.unlabelled = 'unlabelled'
    twice = (tmp_path / 'set/cats/001.jpg').read_bytes()
    (tmp_path / 'set/unlabelled/again.jpg').write_bytes(twice)
    assert data.load(config.data).arrays().label.tolist() == [0] * 3 + [1] * 3 + [-1] * 4
    (tmp_path / 'set/dogs/again.jpg').write_bytes(twice)
    with pytest.raises(UserError, match='cats/001.jpg and dogs/again.jpg are the same photo'):
        data.load(config.data)


def test_a_class_all_of_whose_images_are_held_out_is_one_line(config, tmp_path, monkeypatch):
    for number, folder in enumerate(('a', 'b', 'unlabelled')):
        album(tmp_path / 'set' / folder, (1, 5, 9)[number], first=10 * number)
    config.data.update(unlabelled='unlabelled', held_out=0.1)
    monkeypatch.setattr(duplicates, 'held_out', lambda contents, *_: np.arange(len(contents)) < 1)
    assert data.whole(config.data, 'test').arrays().label.tolist() == [0]
    with pytest.raises(UserError, match=r"class 'a' has no label among the 5 for training"):
        data.load(config.data)
