"""A table of labels in a folder: classes or attributes, and what of it cannot be read."""

import shutil

import numpy as np
import pytest

from gan_jax import data, tasks
from gan_jax.data import from_files
from gan_jax.errors import UserError
from gan_jax.types import DataSpec
from tests.data.photos import album

COUNT = 6
FILES = [f'{number:03}.jpg' for number in range(COUNT)]
SMILES, MALE = [1, 0, 1, 0, 0, 1], [1, 0, 0, 0, 0, 1]
KINDS = ['tabby', 'black', 'tabby', 'black', 'red fox', 'tabby']


@pytest.fixture
def config(make_config, own_cache, tmp_path):
    album(tmp_path / 'set', COUNT)
    write(tmp_path, columns(Smiling=SMILES, Male=MALE, kind=KINDS))
    return make_config(name='folder', image_size=16, path=str(tmp_path / 'set'), attributes='')


def columns(files=FILES, **cells):
    """The lines of a table."""
    rows = zip(files, *cells.values(), strict=True)
    return [','.join(['file', *cells]), *(','.join(map(str, row)) for row in rows)]


def write(tmp_path, lines):
    (tmp_path / 'set' / 'labels.csv').write_text('\n'.join(lines) + '\n')


def load(config, attributes):
    config.data.attributes = attributes
    return data.load(config.data)


def test_classes_are_the_combinations_in_the_order_that_is_asked_for(config):
    found = load(config, 'Smiling, Male')
    assert found.class_names == ('-Smiling,-Male', '-Smiling,Male', 'Smiling,-Male', 'Smiling,Male')
    assert found.arrays().label.tolist() == [2 * s + m for s, m in zip(SMILES, MALE, strict=True)]
    assert found.spec == DataSpec((16, 16, 3), 4, COUNT, counts=(3, 0, 1, 2))
    assert found.spec.attributes == 2
    turned = load(config, 'Male,Smiling')
    assert turned.arrays().label.tolist() == [s + 2 * m for s, m in zip(SMILES, MALE, strict=True)]


@pytest.mark.parametrize('cells', ['1 0', '1 -1', 'true false', 'Yes NO', 'TRUE False'])
def test_cells_say_yes_or_no_in_every_usual_way(config, cells, tmp_path):
    yes, no = cells.split()
    write(tmp_path, columns(Smiling=[yes if smiles else no for smiles in SMILES]))
    assert load(config, 'Smiling').arrays().label.tolist() == SMILES
    # A table of one column counts without being asked for.
    assert load(config, '').class_names == ('-Smiling', 'Smiling')


def test_a_column_of_names_is_the_classes(config, tmp_path):
    found = load(config, 'kind')
    assert found.class_names == ('black', 'red fox', 'tabby') and not found.attributes
    assert found.arrays().label.tolist() == [2, 0, 2, 0, 1, 2] and found.spec.counts == ()
    write(tmp_path, columns(kind=KINDS))
    assert load(config, '').fingerprint == found.fingerprint
    write(tmp_path, columns(kind=[10, 10, 1, 1, 0, 9]))
    assert load(config, 'kind').class_names == ('0', '1', '9', '10')


def test_folders_are_the_classes_unless_columns_are_asked_for(config, tmp_path):
    for number, name in enumerate(FILES):
        place = tmp_path / 'set' / 'ab'[number % 2] / name
        place.parent.mkdir(exist_ok=True)
        (tmp_path / 'set' / name).rename(place)
    files = [f'{"ab"[number % 2]}/{name}' for number, name in enumerate(FILES)]
    write(tmp_path, columns(files, kind=KINDS))
    assert load(config, '').class_names == ('a', 'b')
    assert load(config, 'kind').arrays().label.tolist() == [2, 2, 1, 0, 0, 2]  # a/ before b/


def test_a_table_in_a_zip_and_of_a_spreadsheet(config, tmp_path):
    expected = load(config, 'Smiling,Male').fingerprint
    table = tmp_path / 'set' / 'labels.csv'
    lines = table.read_text().replace(',', ';').replace('000.jpg', '.\\000.jpg')
    table.write_bytes(b'\xef\xbb\xbf' + lines.replace('\n', '\r\n').encode())
    shutil.make_archive(str(tmp_path / 'photos'), 'zip', tmp_path, 'set')  # a folder in it
    for path in ('set', 'photos.zip'):
        config.data.path = str(tmp_path / path)
        assert load(config, 'Smiling,Male').fingerprint == expected


def test_what_does_not_match_is_counted_in_a_line_and_left_out(config, tmp_path, capsys):
    write(tmp_path, columns([*FILES[:4], 'gone.jpg'], Smiling=SMILES[:5]))
    found = load(config, 'Smiling')
    assert found.spec.num_examples == 4
    lines = [line for line in capsys.readouterr().err.splitlines() if 'left out' in line]
    [line] = lines
    assert line.startswith('3 left out (gone.jpg: labels.csv lists it, but there is no such image')
    rows = from_files._rows(from_files.Path(found.facts()['files']))
    assert [row['file'] for row in rows if 'gives it no class' in row['why_not']] == FILES[4:]
    config.data.unlabelled = 'unlabelled'  # as experiments with few labels have it
    assert load(config, 'Smiling').arrays().label.tolist() == [*SMILES[:4], -1, -1]


def test_an_edited_table_is_noticed(config, tmp_path):
    before = load(config, 'Smiling').fingerprint
    write(tmp_path, columns(Smiling=[1 - smiles for smiles in SMILES]))
    assert load(config, 'Smiling').fingerprint != before


MISTAKES = {
    'no such column': ('Smile', None, "attributes=Smile: did you mean 'Smiling'?"),
    'no table': ('Smiling', 'none', 'there is no labels.csv in config.data.path='),
    'no column': ('Smiling', ['file', '000.jpg'], 'labels.csv names none'),
    'a bad cell': (
        'Smiling',
        columns(Smiling=[1, 0, 1, 'maybe', 0, 1]),
        "labels.csv, line 5, column 'Smiling': 'maybe' must be 1 or 0",
    ),
    'an empty cell': (
        'Smiling,Male',
        columns(Smiling=SMILES, Male=[1, 0, '', 0, 0, 1]),
        "labels.csv, line 4, column 'Male': '' must be",
    ),
    'a column of names among attributes': ('Smiling,kind', None, "column 'kind': 'tabby' must be"),
    'a short row': (
        'Smiling',
        ['file,Smiling', '000.jpg'],
        "line 2: 0 cells behind '000.jpg', and 1 columns",
    ),
    'a file twice': (
        'Smiling',
        ['file,Smiling', '000.jpg,1', '000.jpg,0'],
        "line 3: '000.jpg' is in line 2 too",
    ),
    'a quote that does not end': (
        'Smiling',
        ['file,Smiling', f'"000.jpg,{"1" * 2**17}'],
        'labels.csv: field larger than field limit',
    ),
    'other files': (
        'Smiling',
        ['file,Smiling', 'IMG_1.jpg,1'],
        'none of its 1 files is one of the 6 images of config.data.path, such as 000.jpg',
    ),
    'too many': (','.join('abcdefghi'), None, '9 of them have 512 combinations: choose at most 8'),
}


@pytest.mark.parametrize('attributes, lines, message', MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(config, attributes, lines, message, tmp_path):
    if lines == 'none':
        (tmp_path / 'set' / 'labels.csv').unlink()
    elif lines:
        write(tmp_path, lines)
    with pytest.raises(UserError) as caught:
        load(config, attributes)
    assert message in str(caught.value)


def test_a_table_of_another_encoding_is_one_line(config, tmp_path):
    (tmp_path / 'set' / 'labels.csv').write_bytes('file,Größe\n'.encode('latin1'))
    with pytest.raises(UserError, match='labels.csv is no text in UTF-8'):
        load(config, 'Smiling')


def test_a_run_of_classes_needs_both_sides_of_an_attribute_but_not_every_combination(
    config, tmp_path
):
    config.conditional = True
    tasks.check(config, load(config, 'Smiling,Male'))  # nobody is male and does not smile
    with pytest.raises(UserError, match='choose from the columns of labels.csv, Smiling, Male, ki'):
        tasks.check(config, load(config, ''))
    write(tmp_path, columns(Smiling=SMILES, Male=[0] * COUNT))
    with pytest.raises(UserError, match="class 'Male' has none of the 6 images: leave one of conf"):
        tasks.check(config, load(config, 'Smiling,Male'))


def test_the_numbers_of_images_are_those_that_training_sees(config):
    config.data.num_examples = 4
    found = load(config, 'Smiling,Male')
    labels = found.source.labels()
    np.testing.assert_array_equal(found.spec.counts, np.bincount(labels, minlength=4))
