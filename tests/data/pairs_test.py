from pathlib import Path
import unicodedata

import numpy as np
from PIL import ExifTags, Image
import pytest

from gan_jax import data
from gan_jax.data import decode, from_files, inputs, pairs
from gan_jax.errors import UserError
from gan_jax.types import DataSpec
from tests.data.photos import album, encoded, photo

SIZE = 16
FACADES = Path(__file__).parents[3] / 'shared' / 'data' / 'facades' / 'train'


@pytest.fixture
def config(make_config, own_cache, tmp_path):
    made = make_config(name='pairs', image_size=SIZE, path=str(tmp_path / 'photos'))
    return made.data


def panels(dataset):
    """Inputs and photos, uint8 [N, S, S, 3] each."""
    images = dataset.arrays().image
    assert images.shape[1:] == (SIZE, 2 * SIZE, 3)
    return images[:, :, :SIZE], images[:, :, SIZE:]


def squared(path):
    return decode.fitted(decode.read(path.read_bytes(), least_side=SIZE), (SIZE, SIZE))


@pytest.mark.parametrize('name', inputs.MADE)
def test_an_input_is_made_of_the_resized_photo(config, tmp_path, name):
    folder = album(tmp_path / 'photos', 5)
    config.update(input=name, canny=(40, 90))
    dataset = data.load(config)
    assert dataset.spec == DataSpec((SIZE, 2 * SIZE, 3), 0, 5, 2) and dataset.class_names == ()
    made, photos = panels(dataset)
    np.testing.assert_array_equal(photos, [squared(path) for path in sorted(folder.iterdir())])
    function = inputs.make(config)
    np.testing.assert_array_equal(made, [function(image) for image in photos])


def test_other_thresholds_are_another_set(config, tmp_path):
    album(tmp_path / 'photos', 3)
    config.input = 'canny'
    prints = set()
    for canny in ((100, 200), (10, 20)):
        config.canny = canny
        prints.add(data.load(config).fingerprint)
    assert len(prints) == 2


@pytest.mark.parametrize('side', ['left', 'right'])
def test_side_by_side_images_are_split_before_they_are_cut(config, tmp_path, side):
    (tmp_path / 'photos').mkdir()
    halves = [photo(n, (40, 30)) for n in (1, 2)]
    both = Image.new('RGB', (80, 30))
    both.paste(halves[0], (0, 0))
    both.paste(halves[1], (40, 0))
    both.save(tmp_path / 'photos/pair.png')
    both.crop((0, 0, 79, 30)).save(tmp_path / 'photos/odd.png')
    config.input = side
    dataset = data.load(config)
    (made,), (target,) = panels(dataset)
    expected = [decode.fitted(half, (SIZE, SIZE)) for half in halves]
    first, second = expected if side == 'left' else expected[::-1]
    np.testing.assert_array_equal(made, first)
    np.testing.assert_array_equal(target, second)
    rows = from_files._rows(Path(dataset.facts()['files']))
    assert [row['file'] for row in rows if row['why_not']] == ['odd.png']
    assert rows[-1]['why_not'] == '79x30 has no two halves: its width is odd'


def test_two_folders_are_matched_by_name_without_suffix(config, tmp_path, capsys):
    photos, drawn = tmp_path / 'photos', tmp_path / 'drawn'
    for folder, names in (
        (photos, ['a/1.jpg', 'a/2.jpg', 'b/1.png', 'alone.jpg', 'twice.jpg', 'twice.png']),
        (drawn, ['a/1.png', 'a/2.PNG', 'b/1.webp', 'lonely.png', 'twice.bmp']),
    ):
        for number, name in enumerate(names):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            kind = {'.jpg': 'JPEG'}.get(Path(name).suffix, Path(name).suffix[1:])
            seed = number + (100 if folder == drawn else 0)
            (folder / name).write_bytes(encoded(photo(seed), kind))
    config.update(input='folder', input_path=str(drawn))
    dataset = data.load(config)
    assert dataset.spec.num_examples == 4
    made, targets = panels(dataset)
    found = [('a/1.jpg', 'a/1.png'), ('a/2.jpg', 'a/2.PNG'), ('b/1.png', 'b/1.webp')]
    found.append(('twice.jpg', 'twice.bmp'))
    for index, (target, partner) in enumerate(found):
        np.testing.assert_array_equal(targets[index], squared(photos / target))
        np.testing.assert_array_equal(made[index], squared(drawn / partner))
    rows = {row['file']: row for row in from_files._rows(Path(dataset.facts()['files']))}
    assert rows['alone.jpg']['why_not'] == 'no input has its name'
    assert rows['lonely.png']['why_not'] == 'no photo has its name'
    assert rows['twice.png']['why_not'] == 'twice.jpg has the same name'
    assert capsys.readouterr().err.splitlines()[-1].startswith('3 left out (')


def test_names_are_compared_in_one_form_of_unicode(config, tmp_path):
    for folder, form in (('photos', 'NFC'), ('drawn', 'NFD')):
        (tmp_path / folder).mkdir()
        for name in ('Zoë', 'Ñandú', 'がくせい', 'plain', 'Mr. Brown', 'v1.2'):
            name = unicodedata.normalize(form, name)
            (tmp_path / folder / f'{name}.png').write_bytes(encoded(photo(0), 'PNG'))
    config.update(input='folder', input_path=str(tmp_path / 'drawn'))
    assert data.load(config).spec.num_examples == 6


QUARTER, HALF = 6, 3  # orientations
COINCIDE = {  # photo, its orientation, input, its orientation, crop: what is said of it
    'alike': ((96, 64), 1, (96, 64), 1, 0, ''),
    'smaller': ((96, 64), 1, (48, 32), 1, 0, ''),
    'rounded': ((333, 250), 1, (100, 75), 1, 0, ''),
    'drawn upright': ((96, 64), QUARTER, (64, 96), 1, 0, ''),
    'turned alike': ((96, 64), HALF, (96, 64), HALF, 0, ''),
    'drawn as stored': ((96, 64), QUARTER, (96, 64), 1, 0, 'left out'),
    'other shape': ((96, 64), 1, (64, 64), 1, 0, 'left out'),
    'smaller, and cut by pixels': ((96, 64), 1, (48, 32), 1, 40, 'left out'),
    'half a turn': ((96, 64), HALF, (96, 64), 1, 0, 'doubtful'),
    'a turned square': ((64, 64), QUARTER, (64, 64), 1, 0, 'doubtful'),
}


@pytest.mark.parametrize('case', COINCIDE)
def test_pairs_lie_on_each_other_or_it_is_said(case, config, tmp_path, capsys):
    size, turn, other, other_turn, crop, said = COINCIDE[case]
    album(tmp_path / 'photos', 1, first=7)
    album(tmp_path / 'drawn', 1, first=7)
    for folder, pixels, orientation in (('photos', size, turn), ('drawn', other, other_turn)):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        (tmp_path / folder / 'a.jpg').write_bytes(encoded(photo(1, pixels), exif=exif))
    config.update(input='folder', input_path=str(tmp_path / 'drawn'), crop=crop)
    dataset = data.load(config)
    assert dataset.spec.num_examples == (1 if said == 'left out' else 2)
    printed = capsys.readouterr().err
    assert ('upright' in printed) == bool(said) and said in printed
    assert dataset.facts().get('doubtful', 0) == (said == 'doubtful')


@pytest.mark.parametrize(
    'size, said', [((64, 32), ''), ((96, 64), 'doubtful'), ((64, 64), 'left out')]
)
def test_photos_alone_are_no_pairs_side_by_side(size, said, config, tmp_path, capsys):
    album(tmp_path / 'photos', 1, (80, 40))
    (tmp_path / 'photos/photo.jpg').write_bytes(encoded(photo(1, size)))
    config.input = 'left'
    assert data.load(config).spec.num_examples == (1 if said == 'left out' else 2)
    printed = capsys.readouterr().err
    assert {word for word in ('doubtful', 'left out') if word in printed} == {said} - {''}


def test_a_broken_partner_leaves_out_the_pair(config, tmp_path):
    album(tmp_path / 'photos', 3)
    album(tmp_path / 'drawn', 3, first=50)
    (tmp_path / 'drawn/001.jpg').write_bytes(b'')
    config.update(input='folder', input_path=str(tmp_path / 'drawn'))
    dataset = data.load(config)
    assert dataset.spec.num_examples == 2
    assert from_files.stored_names(Path(dataset.facts()['files']).parent.name) == [
        '000.jpg', '002.jpg',
    ]  # fmt: skip


def test_near_duplicates_of_the_photo_are_on_one_side_whatever_the_input(
    config, tmp_path, own_cache
):
    album(tmp_path / 'photos', 25)
    album(tmp_path / 'drawn', 50, first=500)  # every input is another picture
    for number in range(25):
        content = encoded(photo(number), quality=40)
        (tmp_path / f'photos/{number + 25:03}.jpg').write_bytes(content)
    config.update(input='folder', input_path=str(tmp_path / 'drawn'), held_out=0.3)
    dataset = data.load(config)
    [table] = own_cache.glob('tfds/pairs-*/split-0.3.csv')
    side = [row['split'] for row in from_files._rows(table)]
    assert side[:25] == side[25:] and set(side) == {'train', 'test'}
    assert dataset.facts()['splits']['train'] == side.count('train')


MISTAKES = {
    'no input': (dict(input=''), "config.data.input='': choose from canny, folder, grey, left"),
    'no partner folder': (dict(input='folder'), "config.data.input_path='': it is the folder"),
    'partners unasked': (dict(input='grey', input_path='x'), "config.data.input_path='x': it is"),
    'missing': (dict(input='folder', input_path='/no/such'), 'config.data.input_path=/no/such'),
    'no pair': (dict(input='left'), 'config.data.path: none of 2 images can be used'),
}


@pytest.mark.parametrize('case', MISTAKES)
def test_a_mistake_is_one_line(config, tmp_path, case):
    album(tmp_path / 'photos', 2, size=(41, 30))
    fields, message = MISTAKES[case]
    config.update(fields)
    with pytest.raises(UserError) as caught:
        data.load(config)
    assert message in str(caught.value)


def test_folders_without_a_common_name(config, tmp_path):
    album(tmp_path / 'photos', 2)
    (album(tmp_path / 'drawn', 1) / '000.jpg').rename(tmp_path / 'drawn/x.jpg')
    config.update(input='folder', input_path=str(tmp_path / 'drawn'))
    with pytest.raises(UserError, match='called as 000.jpg, the inputs as x.jpg'):
        data.load(config)


def test_match_keeps_the_order_of_the_photos():
    matched, left_out = pairs.match(['b.jpg', 'a.jpg', 'c/a.jpg'], ['a.png', 'c/a.gif', 'b.png'])
    assert matched == [(0, 2), (1, 0), (2, 1)] and not left_out


@pytest.mark.skipif(not FACADES.is_dir(), reason=f'{FACADES} is absent')
def test_facades_have_their_labels_on_the_right(config):
    config.update(path=str(FACADES), input='right', held_out=0.1)
    train, test = (data.load(config) for config.split in ('train', 'test'))
    assert train.spec.num_examples + test.spec.num_examples == 400
    labels, photos = panels(train)
    # Labels are painted in a dozen saturated colours, above all blue; photos are not.
    assert (labels.max(-1) - labels.min(-1)).mean() > 2 * (photos.max(-1) - photos.min(-1)).mean()
