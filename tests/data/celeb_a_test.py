"""A stand-in of CelebA in the layout in which it is published."""

import hashlib
import io
from pathlib import Path
import shutil
import zipfile

import numpy as np
from PIL import Image
import pytest
import tensorflow_datasets as tfds

from gan_jax import data
from gan_jax.data import celeb_a, decode, downloads, from_files
from gan_jax.errors import UserError
from gan_jax.types import DataSpec
from tests.data.photos import encoded, photo

ATTRIBUTES = ['5_o_Clock_Shadow', 'Male', 'Smiling', 'Young']
COUNT = 24
NAMES = [f'{number:06}.jpg' for number in range(1, COUNT + 1)]
SMILING = [number % 3 == 0 for number in range(COUNT)]
PARTS = [0] * 16 + [1] * 3 + [2] * 5


@pytest.fixture
def official(tmp_path):
    """A folder with img_align_celeba/ and the two text files."""
    root = tmp_path / 'celeba'
    (root / 'img_align_celeba').mkdir(parents=True)
    for number, name in enumerate(NAMES):
        content = encoded(photo(number, (178, 218)), quality=95)
        (root / 'img_align_celeba' / name).write_bytes(content)
    table = [str(COUNT), ' '.join(ATTRIBUTES) + ' ']
    for number, name in enumerate(NAMES):
        signs = [-1, 1, 1 if SMILING[number] else -1, -1]
        table.append(f'{name} ' + ' '.join(f'{sign:2}' for sign in signs))
    (root / celeb_a.ATTRIBUTES).write_text('\n'.join(table) + '\n')
    lines = (f'{name} {part}\n' for name, part in zip(NAMES, PARTS, strict=True))
    (root / celeb_a.PARTITION).write_text(''.join(lines))
    return root


@pytest.fixture
def config(make_config, own_cache, official):
    return make_config(name='celeb_a', image_size=32, path=str(official)).data


def load(config, split='train'):
    config.split = split
    return data.load(config)


def zipped(official):
    with zipfile.ZipFile(official / celeb_a.IMAGES, 'w') as file:
        for name in NAMES:
            file.write(official / 'img_align_celeba' / name, f'img_align_celeba/{name}')
    shutil.rmtree(official / 'img_align_celeba')
    return official / celeb_a.IMAGES


def edit(path, change):
    lines = path.read_text().splitlines()
    change(lines)
    path.write_text('\n'.join(lines) + '\n')


def reported(dataset):
    rows = from_files._rows(Path(dataset.facts()['files']))
    return {row['file']: row['why_not'] for row in rows if not row['image']}


def test_splits_are_those_of_the_partition_file(config):
    for split, count in (('train', 16), ('validation', 3), ('test', 5), ('all', COUNT)):
        dataset = load(config, split)
        assert dataset.spec == DataSpec((32, 32, 3), 0, count)
    assert dataset.facts()['splits'] == {'train': 16, 'validation': 3, 'test': 5}
    assert reported(dataset) == {}
    with pytest.raises(UserError, match="config.data.split='dev' .* test and train and validation"):
        load(config, 'dev')


def test_the_default_crop_is_the_centred_square_of_178(config, official):
    pixels = np.zeros((218, 178, 3), np.uint8)
    pixels[20:198] = (0, 200, 0)  # what is kept
    pixels[20, 0], pixels[197, 177] = (255, 0, 0), (0, 0, 255)
    for name in NAMES:
        (official / 'img_align_celeba' / name).unlink()
    # As PNG under the official name, so that each pixel is what it was.
    Image.fromarray(pixels).save(official / 'img_align_celeba' / NAMES[0], 'PNG')
    config.image_size = 178
    [image] = load(config).arrays().image
    np.testing.assert_array_equal(image, pixels[20:198])


@pytest.mark.parametrize('crop', [108, 140])
def test_the_other_usual_crops(config, official, crop):
    config.crop = crop
    image = decode.read((official / 'img_align_celeba' / NAMES[0]).read_bytes())
    left, top = (178 - crop) // 2, (218 - crop) // 2
    face = image.crop((left, top, left + crop, top + crop))
    found = load(config).arrays().image[0].astype(int)
    np.testing.assert_allclose(found, decode.fitted(face, (32, 32)), atol=1)


def test_an_attribute_makes_labels(config):
    config.attributes = 'Smiling'
    dataset = load(config, 'all')
    assert dataset.class_names == ('-Smiling', 'Smiling') and dataset.spec.num_classes == 2
    assert dataset.arrays().label.tolist() == SMILING
    assert data.entry(config).spec(config).num_classes == 2


@pytest.mark.parametrize('layout', ['zip', 'zip itself', 'images', 'parent', 'inside', 'official'])
def test_every_usual_layout_is_found(config, official, layout, tmp_path):
    config.attributes = 'Male'
    expected = load(config).fingerprint
    images, texts = official / 'img_align_celeba', (celeb_a.PARTITION, celeb_a.ATTRIBUTES)
    path = official
    if layout in ('zip', 'zip itself'):
        archive = zipped(official)
        path = archive if layout == 'zip itself' else official
    elif layout == 'images':
        path = images
    elif layout == 'parent':
        for name in texts:
            (official / name).rename(images / name)
    elif layout == 'inside':
        path = zipped(official)
        with zipfile.ZipFile(path, 'a') as file:
            for name in texts:
                file.write(official / name, f'celeba/{name}')
                (official / name).unlink()
    elif layout == 'official':
        for name, folder in zip((images.name, *texts), ('Img', 'Eval', 'Anno'), strict=True):
            (official / folder).mkdir()
            (official / name).rename(official / folder / name)
    config.path = str(path)
    assert load(config).fingerprint == expected


def test_a_partition_that_does_not_match_is_named_and_the_rest_used(config, official, capsys):
    def change(lines):
        lines[0] = f'{NAMES[0]} 7'  # no such part
        lines[1] = NAMES[1]  # no part
        del lines[2]
        lines.append('999999.jpg 0')  # no such image

    edit(official / celeb_a.PARTITION, change)
    dataset = load(config)
    assert dataset.spec.num_examples == 13
    why = reported(dataset)
    assert why['999999.jpg'] == 'list_eval_partition.txt lists it, but there is no such image'
    assert why[NAMES[0]] and why[NAMES[1]] and why[NAMES[2]]
    assert dataset.facts()['left_out'] == 6  # two malformed lines, and their two images besides
    assert '6 left out (000001.jpg: line 1 of list_eval_partition.txt is malformed' in (
        capsys.readouterr().err
    )


def test_attributes_that_do_not_match_are_named_and_the_rest_used(config, official):
    def change(lines):
        lines[0] = '202599'
        lines[2] = f'{NAMES[0]} 1 1 1'
        lines[3] = f'{NAMES[1]} 1 1 2 1'
        del lines[4]

    edit(official / celeb_a.ATTRIBUTES, change)
    config.attributes = 'Smiling'
    dataset = load(config, 'all')
    assert dataset.spec.num_examples == COUNT - 3
    assert dataset.arrays().label.tolist() == SMILING[3:]
    why = reported(dataset)
    expected = "its first line says '202599' images, it lists 23"
    assert why['list_attr_celeba.txt'] == expected
    assert why[NAMES[2]] == 'list_attr_celeba.txt does not list it'
    config.attributes = ''
    assert load(config, 'all').spec.num_examples == COUNT


def test_an_edited_text_file_is_noticed(config, official):
    config.attributes = 'Smiling'
    before = load(config, 'all')

    def change(lines):
        lines[2] = lines[2].replace(' 1 -1', '-1 -1')

    edit(official / celeb_a.ATTRIBUTES, change)
    assert load(config, 'all').fingerprint != before.fingerprint
    edit(official / celeb_a.PARTITION, lambda lines: lines.__setitem__(0, f'{NAMES[0]} 2'))
    assert load(config, 'test').spec.num_examples == 6


MISTAKES = {
    'attribute': (dict(attributes='Smilling'), "attributes=Smilling: did you mean 'Smiling'?"),
    'held out': (dict(held_out=0.1), 'config.data.held_out=0.1: celeb_a has splits of its own'),
}


@pytest.mark.parametrize('fields, message', MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(config, fields, message):
    config.update(fields)
    with pytest.raises(UserError) as caught:
        data.load(config)
    assert message in str(caught.value)


@pytest.mark.parametrize('name', [celeb_a.PARTITION, celeb_a.ATTRIBUTES])
def test_a_missing_file_is_named_if_it_is_needed(config, official, name):
    (official / name).unlink()
    config.attributes = 'Male'
    with pytest.raises(UserError, match=f'{name} is missing .config.data.path=.* put it beside'):
        load(config)
    config.attributes = ''
    if name == celeb_a.ATTRIBUTES:
        assert load(config).spec.num_examples == 16


def test_nothing_usable_is_one_line(config, official):
    (official / celeb_a.PARTITION).write_text('\n'.join(f'x{name} 0' for name in NAMES))
    with pytest.raises(UserError, match='can be used .*list_eval_partition.txt does not list it'):
        load(config)
    (official / celeb_a.PARTITION).write_bytes(b'\xff\xfe\x00 \n\n\x00')
    with pytest.raises(UserError, match='none of 0 images can be used'):
        load(config)


def test_an_image_that_is_there_twice_is_used_once(config, official):
    folder = official / 'img_align_celeba'
    (folder / 'copy').mkdir()
    shutil.copy(folder / NAMES[0], folder / 'copy' / NAMES[0])
    dataset = load(config)
    assert dataset.spec.num_examples == 16
    assert list(reported(dataset).values()) == ['another image has its name']


class Manager:
    """tfds's download manager, without a network."""

    def __init__(self, folder):
        self.folder = folder

    def download(self, urls):
        return {name: self.folder / name / name for name in urls}


@pytest.fixture
def network(config, official, tmp_path, monkeypatch):
    """Makes the stand-in what Google Drive has; returns the folder of its files."""
    zipped(official)
    for name in celeb_a.FILES:
        (tmp_path / 'drive' / name).mkdir(parents=True)
        shutil.copy(official / name, tmp_path / 'drive' / name)
    monkeypatch.setattr(downloads, 'check', lambda url, timeout_s: None)
    monkeypatch.setattr(
        tfds.download, 'DownloadManager', lambda download_dir: Manager(tmp_path / 'drive')
    )
    digests = {
        name: ('id', hashlib.sha256((official / name).read_bytes()).hexdigest())
        for name in celeb_a.FILES
    }
    monkeypatch.setattr(celeb_a, 'FILES', digests)
    return tmp_path / 'drive'


def test_downloads_without_a_path_once(config, network):
    expected = load(config).fingerprint
    config.path = ''
    assert load(config).fingerprint == expected
    assert not list(network.rglob('*.txt'))  # moved to the cache
    assert load(config, 'test').spec.num_examples == 5


class Tfds(tfds.core.GeneratorBasedBuilder):
    """CelebA with the features of tensorflow-datasets."""

    name = 'celeb_a'
    VERSION = tfds.core.Version('2.1.0')

    def _info(self):
        image = tfds.features.Image(shape=(218, 178, 3), encoding_format='jpeg')
        attributes = {name: np.bool_ for name in ATTRIBUTES}
        features = tfds.features.FeaturesDict({'image': image, 'attributes': attributes})
        return tfds.core.DatasetInfo(builder=self, features=features, disable_shuffling=True)

    def _split_generators(self, dl_manager):
        raise NotImplementedError

    def _generate_examples(self):
        raise NotImplementedError


@pytest.mark.parametrize('depth', [0, 1])
def test_reads_what_tfds_prepared(config, official, tmp_path, depth):
    config.attributes = 'Young,Smiling'
    original = load(config, 'all')
    builder = Tfds(data_dir=tmp_path / 'tfds', file_format='array_record')
    Path(builder.data_dir).mkdir(parents=True)
    writer = tfds.core.SequentialWriter(builder.info, 100, file_format='array_record')
    for split, part in (('train', 0), ('validation', 1), ('test', 2)):
        writer.initialize_splits([split])
        for number in np.flatnonzero(np.array(PARTS) == part):
            content = (official / 'img_align_celeba' / NAMES[number]).read_bytes()
            signs = dict.fromkeys(ATTRIBUTES, False) | {'Smiling': SMILING[number]}
            writer.add_examples({split: [{'image': io.BytesIO(content), 'attributes': signs}]})
    writer.close_all()
    config.path = str((Path(builder.data_dir), tmp_path / 'tfds')[depth])
    copy = load(config, 'all')
    assert copy.spec.counts == original.spec.counts
    np.testing.assert_array_equal(copy.arrays().label, original.arrays().label)
    found, expected = (dataset.arrays().image.astype(int) for dataset in (copy, original))
    assert np.abs(found - expected).max() <= 6  # two decoders of JPEG
    assert load(config, 'validation').spec.num_examples == 3
    config.attributes = 'Smile'
    with pytest.raises(UserError, match="config.data.attributes=Smile: did you mean 'Smiling'"):
        load(config)
