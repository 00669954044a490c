"""Every decision about photos, and an album as a whole."""

import collections
import csv
import os
import zipfile

import cv2
import numpy as np
from PIL import Image
import pytest

from faces import cleaning, crops, destination, lists, pipeline
from faces.cleaning import KEPT, REJECTED, Settings
from faces.names import Names
from gan_jax.data import decode, image_files
from gan_jax.errors import UserError
from tests.faces import discs

SETTINGS = Settings()


def examine(image, verdict='', settings=SETTINGS, **options):
    content = image if isinstance(image, bytes) else discs.encoded(image)
    return cleaning.examine(0, content, discs.detector(**options), settings, verdict)


def only(image, *arguments, **options):
    [(row, crop)] = examine(image, *arguments, **options)
    return row, crop


def test_a_face_in_focus_is_kept_with_its_box():
    row, crop = only(discs.photo(discs=[(100, 80, 30)]))
    assert row.decision == KEPT and row.why == ''
    assert row.face[:4] == (70, 50, 61, 61)
    assert crop.shape == (64, 64, 3) and crop.dtype == np.uint8
    assert row.square.side == pytest.approx(61 * 1.3)


def test_a_photo_without_a_face_keeps_its_shape_as_a_thumbnail():
    row, thumbnail = only(discs.photo(discs=[]))
    assert row.decision == 'no_face' and row.face is None and row.square is None
    assert thumbnail.shape == (96, 96, 3)
    assert (thumbnail[:11] == 127).all() and (thumbnail[13:80] != 127).any()


def test_small_means_pixels_of_the_photo():
    assert only(discs.photo(discs=[(100, 80, 11)]))[0].decision == 'too_small'
    assert only(discs.photo(discs=[(100, 80, 12)]))[0].decision == KEPT
    assert only(discs.photo(), settings=Settings(min_face=82))[0].why == '81.0 of 82 pixels'


def test_a_blurred_face():
    image = cv2.GaussianBlur(discs.photo(400, 400, [(200, 200, 90)]), (0, 0), 9)
    row, _ = only(image)
    assert row.decision == 'blurred' and row.sharpness < cleaning.SHARP
    assert only(image, settings=Settings(min_sharpness=0))[0].decision == KEPT


def test_what_was_enlarged_is_known():
    row, _ = only(discs.photo(discs=[(100, 80, 12)]))
    assert row.enlarged(64) == pytest.approx(64 / (25 * 1.3))
    assert row.enlarged(16) == 1


def test_several_faces_come_by_falling_score():
    pairs = examine(discs.photo(discs=[(40, 90, 20), (120, 90, 40), (200, 90, 8)]))
    assert [row.decision for row, _ in pairs] == [KEPT, KEPT, 'too_small']
    assert pairs[0][0].face.score > pairs[1][0].face.score > pairs[2][0].face.score


@pytest.mark.parametrize('orientation', [1, 6])
def test_a_large_photo_is_searched_small_and_cut_where_it_is_large(orientation):
    image = discs.photo(4000, 3000, [(1000, 700, 60)])
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(np.rot90(image, 1 if orientation == 6 else 0))
    content = discs.encoded(stored, 'JPEG', quality=95, exif=exif)
    seen = []

    def detect(pixels):
        seen.append(pixels.shape)
        return discs.detector()(pixels)

    [(row, crop)] = cleaning.examine(0, content, detect, SETTINGS)
    assert seen == [(750, 1000, 3)]
    assert row.face[:4] == pytest.approx((940, 640, 121, 121), abs=6)
    expected = crops.cut(decode_upright(content), row.square, 64)
    assert np.abs(expected.astype(int) - crop).mean() < 4
    assert row.sharpness > cleaning.SHARP


def decode_upright(content):
    return np.asarray(decode.read(content))


def test_the_known_angle_is_levelled():
    image = discs.photo(300, 300, [(150, 150, 60)], angle=33)
    _, crop = only(image, angle=33.0)
    _, straight = only(discs.photo(300, 300, [(150, 150, 60)]))
    inner = slice(14, 50)  # the face; its surroundings differ
    difference = np.abs(crop.astype(int) - straight)[inner, inner]
    assert difference.mean() < 12


def test_verdicts_by_hand():
    tiny = discs.photo(discs=[(40, 90, 11), (120, 90, 8)])
    best, other = (row for row, _ in examine(tiny, KEPT))
    assert (best.decision, best.why, best.by_hand) == (KEPT, 'by hand', True)
    assert other.decision == 'too_small'
    row, crop = only(discs.photo(240, 180, []), KEPT)
    assert row.decision == KEPT and row.face is None
    assert row.square == crops.Square(120, 90, 180) and crop.shape == (64, 64, 3)
    assert [row.decision for row, _ in examine(tiny, REJECTED)] == [REJECTED] * 2
    assert only(discs.photo(discs=[]), REJECTED)[0].decision == REJECTED


def row(code=0, side=64.0, sharp=0.4, decision=KEPT, by_hand=False):
    square = crops.Square(0, 0, side)
    return cleaning.Row(0, decision, '', None, square, sharp, np.uint64(code), by_hand)


def decided(*rows):
    return [(row.decision, row.like) for row in cleaning.decide(rows, SETTINGS)]


def test_of_near_duplicates_the_largest_then_the_sharpest_then_the_first_stays():
    kept, like = (KEPT, None), lambda place: ('duplicate', place)
    assert decided(row(0, 30), row(1, 40)) == [like(1), kept]
    assert decided(row(0, 90, 0.3), row(1, 70, 0.5)) == [like(1), kept]
    assert decided(row(0), row(1)) == [kept, like(0)]
    assert decided(row(0), row(2**7 - 1)) == [kept, kept]
    assert decided(row(0), row(0, 20, by_hand=True)) == [like(1), kept]
    assert decided(row(0, by_hand=True), row(0, by_hand=True)) == [kept, kept]
    assert decided(row(0, decision='blurred'), row(0)) == [('blurred', None), kept]


def test_a_chain_of_small_differences_does_not_take_its_far_end():
    chain = row(0, sharp=0.9), row(0b11111), row(0b1111111111), row(0b111111111111111)
    assert [decision for decision, _ in decided(*chain)] == [KEPT, 'duplicate', KEPT, 'duplicate']


def test_names_are_never_shared():
    names = Names(['a.jpg', 'a.png', 'A.jpeg', 'a_2.jpg', 'b/a.jpg', 'ä/ü.jpg', 'x' * 250 + '.jpg'])
    made = [names.crop(file, 0) for file in range(7)]
    made += [names.crop(0, 1), names.crop(0, 2), names.crop(4, 1)]
    assert made[:6] == ['a.png', 'a_png.png', 'A_jpeg.png', 'a_2.png', 'b/a.png', 'ä/ü.png']
    assert made[7:] == ['a_3.png', 'a_4.png', 'b/a_2.png']
    assert len({name.casefold() for name in made}) == len(made)
    assert max(map(len, made)) < 255


def test_a_crop_does_not_take_the_place_of_a_folder():
    names = Names(['a.jpg', 'a.png/b.jpg'])
    assert [names.crop(0, 0), names.crop(1, 0)] == ['a_jpg.png', 'a.png/b.png']


@pytest.fixture
def source(tmp_path):
    """An album with every kind of file."""
    folder = tmp_path / 'photos'
    shifted = discs.photo(seed=2)[1:, 1:]
    contents = {
        'one.png': discs.encoded(discs.photo(seed=1)),
        'one.jpg': discs.encoded(discs.photo(320, 240, [(150, 100, 50)], seed=3), 'JPEG'),
        'two/faces.png': discs.encoded(discs.photo(discs=[(50, 80, 30), (170, 80, 40)], seed=4)),
        'two/again.png': discs.encoded(discs.photo(seed=2)),
        'two/twin.png': discs.encoded(shifted),
        'two/deep/tiny.png': discs.encoded(discs.photo(discs=[(90, 90, 8)], seed=5)),
        'none.webp': discs.encoded(discs.photo(discs=[], seed=6), 'WEBP'),
        'blurred.png': discs.encoded(cv2.GaussianBlur(discs.photo(seed=7), (0, 0), 9)),
        'broken/text.jpg': b'no image',
        'broken/empty.png': b'',
        'broken/half.jpg': discs.encoded(discs.photo(seed=8), 'JPEG')[:3000],
        'ünï cødé 猫.png': discs.encoded(discs.photo(400, 300, [(100, 100, 60)], seed=9)),
        'notes.txt': b'no image at all',
    }
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / 'loop').symlink_to(folder, target_is_directory=True)
    (folder / 'gone.jpg').symlink_to(folder / 'nowhere.jpg')
    return folder


def clean(source, output, settings=SETTINGS, keep=(), reject=(), overwrite=False):
    found = image_files.find(source, '--input')
    verdicts = lists.verdicts(found.names, keep, reject)
    destination.check(output, found, overwrite)
    output.mkdir(parents=True, exist_ok=True)
    destination.start(output, {})
    return pipeline.run(found, discs.detector(), settings, verdicts, output)


def table(output, name='report.csv'):
    with (output / name).open(newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


def contents(folder):
    files = sorted(path for path in folder.rglob('*') if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_an_album(source, tmp_path):
    output = tmp_path / 'out'
    before = [(p, p.lstat().st_mtime_ns, p.lstat().st_size) for p in sorted(source.rglob('*'))]
    held = contents(source)
    summary = clean(source, output)
    rows = table(output)
    assert ','.join(rows[0]) == 'file,decision,x,y,width,height,score,output'
    assert {row['file'] for row in rows} == set(image_files.find(source).names) | {'gone.jpg'}
    assert summary.photos == 13 and summary.decisions == collections.Counter(
        {'kept': 6, 'no_face': 1, 'blurred': 1, 'too_small': 1, 'duplicate': 1, 'rejected': 0,
         'unreadable': 4}
    )  # fmt: skip
    assert sum(summary.decisions.values()) == len(rows) == 14
    kept = {row['output'] for row in rows if row['decision'] == 'kept'}
    assert all(bool(row['output']) == (row['decision'] == 'kept') for row in rows)
    made = contents(output)
    assert kept == {name for name in made if name.startswith('crops/')}
    assert kept >= {'crops/one.png', 'crops/one_png.png', 'crops/two/faces.png'}
    assert kept >= {'crops/two/faces_2.png', 'crops/ünï cødé 猫.png'}
    assert set(made) - kept == {'report.csv', 'details.csv', 'contact.png', 'clean.json'}
    for name in kept:
        assert np.asarray(Image.open(output / name)).shape == (64, 64, 3)
    assert before == [(p, p.lstat().st_mtime_ns, p.lstat().st_size)
                      for p in sorted(source.rglob('*'))]  # fmt: skip
    assert contents(source) == held
    assert not list(output.glob('.*'))


def test_the_details_say_why(source, tmp_path):
    clean(source, tmp_path / 'out')
    details = {
        (row['file'], row['decision']): row for row in table(tmp_path / 'out', 'details.csv')
    }
    assert details['broken/empty.png', 'unreadable']['why'] == 'the file is empty'
    assert details['two/deep/tiny.png', 'too_small']['why'] == '17.0 of 24 pixels'
    assert details['two/twin.png', 'duplicate']['why'] == 'like crops/two/again.png'
    assert details['blurred.png', 'blurred']['why'].startswith('sharpness 0.')
    assert float(details['two/deep/tiny.png', 'too_small']['enlarged']) > 2
    assert details['one.png', 'kept']['enlarged'] == ''


def test_the_same_bytes_again_and_with_one_thread(source, tmp_path, monkeypatch):
    clean(source, tmp_path / 'a')
    clean(source, tmp_path / 'b')
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: {0}, raising=False)
    clean(source, tmp_path / 'c')
    assert contents(tmp_path / 'a') == contents(tmp_path / 'b') == contents(tmp_path / 'c')


def test_lists(source, tmp_path):
    keep = ['./two/deep/tiny.png', 'none.webp', 'two/twin.png']
    clean(source, tmp_path / 'out', keep=keep, reject=['one.png', 'two/faces.png'])
    rows = collections.defaultdict(list)
    for row in table(tmp_path / 'out'):
        rows[row['file']].append(row['decision'])
    assert rows['two/deep/tiny.png'] == rows['none.webp'] == rows['two/twin.png'] == ['kept']
    assert rows['two/again.png'] == ['duplicate']
    assert rows['one.png'] == ['rejected'] and rows['two/faces.png'] == ['rejected'] * 2
    assert (tmp_path / 'out' / 'crops' / 'none.png').exists()


def test_lists_are_checked(tmp_path):
    names = ['a/cat.jpg', 'b.jpg']
    with pytest.raises(UserError, match="--keep: no image 'a/cats.jpg' .* mean 'a/cat.jpg'"):
        lists.verdicts(names, ['a/cats.jpg'], [])
    with pytest.raises(UserError, match='--keep and --reject both name b.jpg'):
        lists.verdicts(names, ['b.jpg'], ['./b.jpg'])
    path = tmp_path / 'keep.txt'
    path.write_text('\ufeff# by hand\n\na/cat.jpg\n  b.jpg  \r\n#1 cat.jpg\n', encoding='utf-8')
    keep = lists.read(path, '--keep')
    assert lists.verdicts(names, keep, []) == dict.fromkeys(names, 'kept')
    assert '#1 cat.jpg' in lists.verdicts([*names, '#1 cat.jpg'], keep, [])
    path.write_bytes(b'\xff\xfe\x00')
    with pytest.raises(UserError, match='UTF-8'):
        lists.read(path, '--keep')
    with pytest.raises(UserError, match='--reject=.*cannot be read'):
        lists.read(tmp_path / 'none', '--reject')


def test_nothing_readable_is_an_error_and_leaves_nothing(tmp_path):
    source = tmp_path / 'photos'
    source.mkdir()
    (source / 'a.jpg').write_bytes(b'')
    with pytest.raises(UserError, match='none of 1 images can be read .*a.jpg: the file is empty'):
        clean(source, tmp_path / 'out')
    assert not list((tmp_path / 'out').iterdir())


def test_an_album_without_faces_is_reported_all_the_same(tmp_path):
    source = tmp_path / 'photos'
    source.mkdir()
    (source / 'a.png').write_bytes(discs.encoded(discs.photo(discs=[])))
    assert clean(source, tmp_path / 'out').decisions['no_face'] == 1
    assert [row['decision'] for row in table(tmp_path / 'out')] == ['no_face']


def test_a_zip_is_an_album_too(tmp_path):
    path = tmp_path / 'photos.zip'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('deep/cat.png', discs.encoded(discs.photo()))
        archive.writestr('../out.png', discs.encoded(discs.photo()))
    clean(path, tmp_path / 'out')
    rows = [(row['file'], row['decision']) for row in table(tmp_path / 'out')]
    assert rows == [('deep/cat.png', 'kept'), ('../out.png', 'unreadable')]
    assert (tmp_path / 'out' / 'crops' / 'deep' / 'cat.png').exists()


def refused(source, output, message, **options):
    held = contents(output) if output.is_dir() else None
    with pytest.raises(UserError, match=message):
        clean(source, output, **options)
    assert held is None or contents(output) == held


def test_outputs_that_are_refused(source, tmp_path):
    refused(source, source, 'is inside --input')
    refused(source, source / 'new' / 'out', 'is inside --input')
    refused(source, tmp_path, 'holds --input')
    (tmp_path / 'alias').symlink_to(source, target_is_directory=True)
    refused(source, tmp_path / 'alias' / 'out', 'is inside --input')
    (tmp_path / 'file').write_text('x')
    refused(source, tmp_path / 'file', 'is a file')
    other = tmp_path / 'other'
    other.mkdir()
    (other / 'thesis.txt').write_text('x')
    refused(source, other, 'did not make', overwrite=True)


def test_a_folder_that_the_input_links_to_is_input_too(source, tmp_path):
    elsewhere = tmp_path / 'elsewhere'
    elsewhere.mkdir()
    (elsewhere / 'b.png').write_bytes(discs.encoded(discs.photo()))
    (source / 'more').symlink_to(elsewhere, target_is_directory=True)
    refused(source, elsewhere / 'out', 'is inside --input')


def test_a_cleaned_album_is_replaced_only_if_asked(source, tmp_path):
    output = tmp_path / 'out'
    clean(source, output)
    refused(source, output, 'replace it with --overwrite')
    refused(output / 'crops', output, 'holds --input', overwrite=True)
    first = contents(output)
    (source / 'one.png').unlink()
    clean(source, output, overwrite=True)
    assert set(first) - set(contents(output)) == {'crops/one_png.png'}


def test_a_run_that_is_cut_off_leaves_no_report(source, tmp_path, monkeypatch):
    output = tmp_path / 'out'
    clean(source, output)
    monkeypatch.setattr(pipeline, '_outputs', lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        clean(source, output, overwrite=True)
    assert not (output / 'report.csv').exists() and not (output / 'crops').exists()
    monkeypatch.undo()
    clean(source, output, overwrite=True)
    assert len(table(output)) == 14


def test_a_contact_sheet_of_a_large_album_stays_small(tmp_path):
    from faces import contact
    from gan_jax.io import images

    images.write_png(tmp_path / 'a.png', np.zeros((64, 64, 3), np.uint8))
    decisions = [*cleaning.DECISIONS[:-1]] * 300
    pictures = [contact.Picture(d, i % 7 == 0, tmp_path / 'a.png') for i, d in enumerate(decisions)]
    sheet = contact.sheet(pictures)
    assert max(sheet.shape) <= 2100
    for colour in contact.COLOURS.values():
        assert (sheet == colour).all(axis=-1).any()
    assert contact.sheet([]).shape[0] > 0
