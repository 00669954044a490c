"""Splits of a user's images: by content, near duplicates on one side, written down."""

import csv
import io

from PIL import ImageEnhance
import pytest

from gan_jax import data
from gan_jax.data import cache, decode, summary, views
from gan_jax.errors import UserError
from tests.data.photos import album, encoded, photo


@pytest.fixture
def config(make_config, own_cache, tmp_path):
    made = make_config(name='folder', image_size=16, path=str(tmp_path / 'set'), held_out=0.25)
    return made.data


def load(config, split):
    config.split = split
    return data.load(config)


def contents(dataset):
    return {image.tobytes() for image in dataset.arrays().image}


def manifest(config, own_cache):
    [path] = own_cache.glob(f'tfds/{config.name}-*/split-{config.held_out:g}.csv')
    return path, list(csv.DictReader(io.StringIO(path.read_text())))


def test_train_and_test_are_disjoint_and_all_is_both(config, tmp_path):
    album(tmp_path / 'set', 60)
    train, test, both = (load(config, split) for split in ('train', 'test', 'all'))
    assert not contents(train) & contents(test)
    assert contents(train) | contents(test) == contents(both)
    assert 5 <= test.spec.num_examples <= 25
    assert train.facts()['splits'] == {
        'train': train.spec.num_examples, 'test': test.spec.num_examples,
    }  # fmt: skip


def test_near_duplicates_are_on_one_side(config, tmp_path, own_cache):
    folder = album(tmp_path / 'set', 40)
    for number in range(40):  # compressed, made smaller, brightened
        image = photo(number)
        small = image.resize((48, 40))
        light = ImageEnhance.Brightness(image).enhance(0.8)
        (folder / f'{number:03} a.jpg').write_bytes(encoded(image, quality=30))
        (folder / f'{number:03} b.png').write_bytes(encoded(small, 'PNG'))
        (folder / f'x{number:03}.webp').write_bytes(encoded(light, 'WEBP'))
    load(config, 'test')
    _, rows = manifest(config, own_cache)
    assert len(rows) == 160
    side, group = {}, {}
    for row in rows:
        picture = row['file'].lstrip('x')[:3]
        side.setdefault(picture, set()).add(row['split'])
        group.setdefault(picture, set()).add(row['group'])
    assert all(len(found) == 1 for found in side.values())
    assert all(len(found) == 1 for found in group.values())
    assert len(set(map(str, group.values()))) == 40
    assert {'train', 'test'} == set().union(*side.values())


def test_the_manifest_says_what_the_trainer_gets_and_is_written_once(config, tmp_path, own_cache):
    album(tmp_path / 'set', 30)
    test = load(config, 'test')
    path, rows = manifest(config, own_cache)
    digests = cache.example_digests(test.arrays())
    listed = [row['sha256'] for row in rows if row['split'] == 'test']
    assert listed == [bytes(digest).hex() for digest in digests]
    assert [row['file'] for row in rows] == [f'{number:03}.jpg' for number in range(30)]
    before = path.stat().st_mtime_ns
    load(config, 'train')
    assert path.stat().st_mtime_ns == before
    config.held_out = 0.5
    load(config, 'train')
    assert len(list(path.parent.glob('split-*.csv'))) == 2


def test_an_image_keeps_its_side_when_it_gets_another_label(config, tmp_path):
    config.unlabelled, config.held_out = 'rest', 0.4
    for number, name in enumerate(('a', 'b', 'rest')):
        album(tmp_path / 'set' / name, 20, first=20 * number)
    before = contents(load(config, 'test'))
    for path in sorted((tmp_path / 'set/rest').iterdir())[:12]:
        path.rename(tmp_path / f'set/a/sorted {path.name}')
    after = load(config, 'test')
    assert contents(after) == before and (after.arrays().label == 0).sum() > 0


def test_a_split_that_is_empty_says_how_to_fill_it(config, tmp_path):
    album(tmp_path / 'set', 3)
    config.held_out = 0.0
    assert load(config, 'train').spec.num_examples == 3
    with pytest.raises(UserError, match='split=test: it is empty; set config.data.held_out'):
        load(config, 'test')
    with pytest.raises(UserError, match="config.data.split='validation' .* train and test and all"):
        load(config, 'validation')


def frames(folder, count):
    """Images of one scene: all near duplicates of each other."""
    folder.mkdir()
    for number in range(count):
        light = ImageEnhance.Brightness(photo(1)).enhance(1 - number / 100)
        (folder / f'{number:03}.png').write_bytes(encoded(light, 'PNG'))


@pytest.mark.parametrize('share', [0.001, 0.999])
@pytest.mark.parametrize('kind', ['few', 'frames'])
def test_where_none_can_be_held_out_all_are_trained_on_and_it_is_said(
    kind, share, config, tmp_path
):
    if kind == 'few':
        album(tmp_path / 'set', 1)
    else:
        frames(tmp_path / 'set', 12)
    config.update(held_out=share, split='train')
    dataset = data.load(config)
    assert dataset.spec.num_examples == len(list((tmp_path / 'set').iterdir()))
    assert dataset.splits == ('train', 'all') and data.held_out(config, dataset) is None
    assert len(views.examples(config, dataset, 4).label) == min(dataset.spec.num_examples, 4)
    [warning] = summary.warnings(dataset, config)
    assert f'at the share {share:g}' in warning and 'add images' in warning
    assert dataset.facts()['splits'] == {'train': dataset.spec.num_examples}
    with pytest.raises(UserError, match='config.data.split=test: it is empty; none of'):
        load(config, 'test')


def test_a_set_with_enough_held_out_is_not_warned_of(config, tmp_path):
    album(tmp_path / 'set', 40)
    dataset = data.load(config)
    assert 'test' in dataset.splits and not list(summary.warnings(dataset, config))
    config.enough = 1_000
    assert [w for w in summary.warnings(dataset, config) if 'are fewer than 1000' in w]


def test_a_subset_is_of_the_split(config, tmp_path):
    album(tmp_path / 'set', 30)
    train = contents(load(config, 'train'))
    config.num_examples = 5
    assert contents(load(config, 'train')) < train
    config.num_examples = 30
    with pytest.raises(UserError, match='config.data.num_examples=30 must lie in 0..'):
        load(config, 'train')


def test_a_lost_account_names_what_to_delete(config, tmp_path, own_cache):
    album(tmp_path / 'set', 3)
    config.held_out = 0.5
    load(config, 'all')
    [account] = own_cache.glob('tfds/folder-*/files.csv')
    account.unlink()
    with pytest.raises(UserError, match='files.csv cannot be read .*delete its folder'):
        load(config, 'train')


def test_errors_of_making_an_image_are_not_swallowed(config, tmp_path, monkeypatch):
    album(tmp_path / 'set', 3)

    def broken(*args):
        raise UserError('config.data.x=1: one line')

    monkeypatch.setattr(decode, 'fitted', broken)
    with pytest.raises(UserError, match='^config.data.x=1: one line$'):
        load(config, 'all')
