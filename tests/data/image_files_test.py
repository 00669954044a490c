import io
import os
import re
import zipfile

import numpy as np
from PIL import Image
import pytest

from gan_jax.data import image_files
from gan_jax.data.decode import Unreadable
from gan_jax.errors import UserError
from tests.data.photos import album as write_album
from tests.data.photos import encoded, photo

CONTENT = encoded(photo(0))


def put(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENT)


def test_finds_images_however_deep_by_suffix_and_in_order(tmp_path):
    put(tmp_path, 'b.jpg', 'a/x.PNG', 'a/deep/er/y.jpeg', '.hidden.jpg', '.git/z.jpg')
    (tmp_path / 'notes.txt').write_text('no picture')
    found = image_files.find(tmp_path)
    assert found.names == ('a/deep/er/y.jpeg', 'a/x.PNG', 'b.jpg')
    assert found.ignored == () and len(found) == 3
    assert found.read(1) == CONTENT


def test_names_in_any_script_and_of_any_bytes(tmp_path):
    put(tmp_path, 'кот.jpg', '猫/ねこ.jpg', 'قط.png', 'a b\n"c".jpg', '😺.webp')
    raw = os.fsencode(tmp_path) + b'/caf\xe9.jpg'  # Latin-1, no valid UTF-8
    with open(raw, 'wb') as file:
        file.write(CONTENT)
    found = image_files.find(tmp_path)
    assert len(found) == 6
    assert all(found.read(index) == CONTENT for index in range(6))
    shown = [image_files.shown(name) for name in found.names]
    assert 'caf\\xe9.jpg' in shown and 'кот.jpg' in shown
    assert all('\n' not in name and name.encode() for name in shown)


@pytest.mark.parametrize('kind', ['missing', 'long', 'user', 'pipe', 'device'])
def test_a_path_that_is_none_is_one_line(kind, tmp_path):
    path = {
        'missing': tmp_path / 'none',
        'long': tmp_path / ('x' * 300),
        'user': '~nobody-of-this-name/photos',
        'pipe': tmp_path / 'pipe',
        'device': '/dev/zero',
    }[kind]
    if kind == 'pipe':
        os.mkfifo(path)
    why = r' \(not a regular file\)' if kind in ('pipe', 'device') else ''
    with pytest.raises(UserError, match=f'config.data.path=.*{why}'):
        image_files.find(image_files.Path(path))


def test_an_empty_folder_says_what_is_looked_for(tmp_path):
    (tmp_path / 'readme.txt').write_text('none here')
    with pytest.raises(UserError, match='holds no images: JPEG, .*HEIC are read'):
        image_files.find(tmp_path)


READ = ['a.jpg', 'a.JPE', 'a.jfif', 'a.tif', 'a.TIFF', 'a.avif', 'a.heic', 'a.HIF', 'DSC_0001']
READ += ['Mr. Brown', 'photo.2024', '2024-05-01 at 10.30']  # a dot makes no suffix
NAMED = [
    'a.zip',
    'a.dng',
    'a.CR2',
    'a.MOV',
    'a.3gp',
    'a.psd',
    'a.jxl',
    'a.jpg_large',
    'a.jpg~',
    'a.bak',
]
SILENT = ['notes.txt', 'notes', 'Thumbs.db', 'desktop.ini', '.DS_Store', '._a.jpg', '.heic']


@pytest.mark.parametrize('packed', [False, True])
def test_what_an_album_of_a_phone_holds_is_read_or_named(packed, tmp_path):
    put(tmp_path / 'set', *READ, *NAMED, *SILENT)
    for name in SILENT:
        (tmp_path / 'set' / name).write_text('no picture')
    os.mkfifo(tmp_path / 'set' / 'pipe')  # which nobody writes to
    if packed:
        members = {name: (tmp_path / 'set' / name).read_bytes() for name in READ + NAMED + SILENT}
        archive(tmp_path / 'set.zip', members)
    found = image_files.find(tmp_path / ('set.zip' if packed else 'set'))
    assert sorted(found.names) == sorted(READ)
    assert sorted(item.name for item in found.ignored) == sorted(NAMED)
    assert all(re.search('save|suffix|unpack', item.why) for item in found.ignored)


def test_every_kind_of_picture_is_read_or_named(tmp_path):
    suffixes = Image.registered_extensions().keys() | {'.djvu', '.jxr', '.pict', '.svgz', '.wdp'}
    put(tmp_path, *(f'a{suffix}' for suffix in suffixes))
    found = image_files.find(tmp_path)
    told = {*found.names, *(item.name for item in found.ignored)}
    assert told >= {f'a{suffix}' for suffix in suffixes}


@pytest.mark.parametrize('name', ['a.jpe', 'DSC_0001'])
def test_a_single_image_is_one_whatever_its_name(name, tmp_path):
    put(tmp_path, name, 'other.jpg')
    assert image_files.find(tmp_path / name).names == (name,)


def test_links_are_followed_but_not_in_circles(tmp_path):
    put(tmp_path, 'set/one.jpg', 'elsewhere/two.jpg')
    (tmp_path / 'set/more').symlink_to(tmp_path / 'elsewhere')
    (tmp_path / 'set/again').symlink_to(tmp_path / 'set')
    (tmp_path / 'elsewhere/up').symlink_to(tmp_path)
    (tmp_path / 'set/self.jpg').symlink_to(tmp_path / 'set/self.jpg')
    (tmp_path / 'set/gone.jpg').symlink_to(tmp_path / 'nowhere.jpg')
    found = image_files.find(tmp_path / 'set')
    files = {os.path.realpath(tmp_path / 'set' / name) for name in found.names}
    assert files == {str(tmp_path / 'set/one.jpg'), str(tmp_path / 'elsewhere/two.jpg')}
    assert sorted(item.name for item in found.ignored if 'up' not in item.name) == [
        'gone.jpg', 'self.jpg',
    ]  # fmt: skip


def test_a_pipe_named_like_an_image_is_not_opened(tmp_path):
    put(tmp_path, 'real.jpg')
    os.mkfifo(tmp_path / 'pipe.jpg')
    (tmp_path / 'folder.jpg').mkdir()
    found = image_files.find(tmp_path)
    assert found.names == ('real.jpg',)
    assert list(map(str, found.ignored)) == ['pipe.jpg: not a regular file']
    with pytest.raises(Unreadable, match='not a regular file'):  # as a table may be one
        found.files.read('pipe.jpg')


def test_what_may_not_be_read_is_named(tmp_path, monkeypatch):
    put(tmp_path, 'a.jpg', 'secret.jpg', 'closed/b.jpg')
    scandir = os.scandir

    def refuse(path, *args):
        if 'closed' in str(path) or 'secret' in str(path):
            raise PermissionError(13, 'Permission denied', str(path))

    monkeypatch.setattr(os, 'scandir', lambda path: refuse(path) or scandir(path))
    monkeypatch.setattr(image_files, 'open', refuse, raising=False)
    found = image_files.find(tmp_path)
    assert found.names == ('a.jpg', 'secret.jpg')
    assert list(map(str, found.ignored)) == ['closed: Permission denied']
    with pytest.raises(Unreadable, match='Permission denied'):
        found.read(1)


def test_a_giant_file_is_refused_before_it_is_read(tmp_path):
    put(tmp_path, 'a.jpg')
    os.truncate(tmp_path / 'a.jpg', image_files.MAX_BYTES + 1)  # sparse: no disk is used
    with pytest.raises(Unreadable, match='1,073,741,825 bytes; at most'):
        image_files.find(tmp_path).read(0)


def archive(path, members):
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def test_a_zip_is_read_without_unpacking(tmp_path):
    write_album(tmp_path / 'set', 3)
    names = {f'photos/{path.name}': path.read_bytes() for path in (tmp_path / 'set').iterdir()}
    names |= {'__MACOSX/photos/._000.jpg': b'x', 'photos/notes.txt': b'x', 'photos/.x.jpg': b'x'}
    found = image_files.find(archive(tmp_path / 'set.zip', names))
    assert found.names == ('photos/000.jpg', 'photos/001.jpg', 'photos/002.jpg')
    assert found.read(2) == (tmp_path / 'set/002.jpg').read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ['set', 'set.zip']


def test_members_that_lead_out_of_a_zip_are_named_and_not_used(tmp_path):
    outside = ['../evil.jpg', '/etc/evil.jpg', 'a/../../evil.jpg', '..\\evil.jpg']
    path = archive(tmp_path / 'set.zip', dict.fromkeys(['good.jpg', *outside], CONTENT))
    found = image_files.find(path)
    assert found.names == ('good.jpg',)
    assert sorted(item.name for item in found.ignored) == sorted(outside)
    assert all(item.why == 'leads out of the archive' for item in found.ignored)


def changed(content, place, value):
    return content[:place] + bytes([value]) + content[place + 1 :]


def zipped(*names):
    """The bytes of a .zip of images."""
    return archive(io.BytesIO(), dict.fromkeys(names, CONTENT)).getvalue()


WHOLE = zipped('é.jpg')
DIRECTORY = WHOLE.index(b'PK\x01\x02')
NO_ZIP = {
    'empty': b'',
    'text': b'not a zip',
    'image': CONTENT,
    'half': WHOLE[: len(WHOLE) // 2],
    'version needed': changed(WHOLE, DIRECTORY + 6, 200),
    'name': changed(WHOLE, DIRECTORY + 46, 0xFF),
}


@pytest.mark.parametrize('content', NO_ZIP.values(), ids=NO_ZIP)
def test_a_zip_that_is_none_or_damaged_is_one_line(tmp_path, content):
    (tmp_path / 'set.zip').write_bytes(content)
    with pytest.raises(UserError, match=r'set\.zip is neither a folder, an image nor a whole'):
        image_files.find(tmp_path / 'set.zip')


def test_a_damaged_member_of_a_zip_is_unreadable(tmp_path):
    whole = zipped('a.jpg', 'b.jpg')
    (tmp_path / 'set.zip').write_bytes(changed(whole, 200, whole[200] ^ 255))
    found = image_files.find(tmp_path / 'set.zip')
    with pytest.raises(Unreadable):
        found.read(0)
    assert found.read(1) == CONTENT


def test_a_name_that_a_zip_holds_twice_is_one_image(tmp_path):
    path = tmp_path / 'set.zip'
    with pytest.warns(UserWarning, match='Duplicate name'), zipfile.ZipFile(path, 'w') as file:
        file.writestr('a.jpg', b'old')
        file.writestr('a.jpg', CONTENT)
    found = image_files.find(path)
    assert found.names == ('a.jpg',) and found.read(0) == CONTENT


@pytest.mark.parametrize('change', ['content', 'name', 'more', 'time', 'none'])
def test_the_state_changes_when_the_folder_does(tmp_path, change):
    write_album(tmp_path, 3)
    before = image_files.find(tmp_path).state
    path = tmp_path / '001.jpg'
    if change == 'content':
        path.write_bytes(encoded(photo(9)))
    elif change == 'name':
        path.rename(tmp_path / 'other.jpg')
    elif change == 'more':
        put(tmp_path, 'new.jpg')
    elif change == 'time':
        os.utime(path, ns=(0, 1))
    assert (image_files.find(tmp_path).state == before) == (change == 'none')


CLASSES = [  # files, the name of the unlabelled folder, classes, labels
    ('a/x.jpg b/deep/y.jpg a/z.jpg', '', ('a', 'b'), [0, 1, 0]),
    ('a/x.jpg a/y.jpg', '', (), [0, 0]),
    ('a/x.jpg y.jpg', '', (), [0, 0]),
    ('a/x.jpg b/y.jpg rest/z.jpg w.jpg', 'rest', ('a', 'b'), [0, 1, -1, -1]),
    ('top/a/x.jpg top/b/rest/y.jpg top/z.jpg', 'rest', ('a', 'b'), [0, 1, -1]),
    ('a/x.jpg rest/y.jpg', 'rest', ('a',), [0, -1]),
    ('rest/x.jpg y.jpg', 'rest', (), [0, 0]),
]


@pytest.mark.parametrize('files, rest, names, labels', CLASSES)
def test_classes_are_the_outermost_folders(files, rest, names, labels):
    found = image_files.classes(files.split(), *[rest] * bool(rest))
    assert (found[0], found[1].tolist()) == (names, labels)


def test_folders_called_by_numbers_are_in_their_order():
    files = [f'{number}/x.jpg' for number in (10, 9, 100, 1)]
    names, labels = image_files.classes(files)
    assert names == ('1', '9', '10', '100') and labels.tolist() == [2, 1, 3, 0]
    assert image_files.classes(['a1/x.jpg', 'a10/x.jpg', 'a2/x.jpg'])[0] == ('a1', 'a10', 'a2')


def test_backslashes_in_a_zip_are_folders(tmp_path):
    members = {'set\\cat\\a.jpg': CONTENT, 'set\\dog/b.jpg': b'b', 'set/dog/c.jpg': b'c'}
    found = image_files.find(archive(tmp_path / 'set.zip', members))
    assert found.names == ('set/cat/a.jpg', 'set/dog/b.jpg', 'set/dog/c.jpg')
    assert image_files.classes(found.names)[0] == ('cat', 'dog')
    assert [found.read(index) for index in range(3)] == [CONTENT, b'b', b'c']


def test_threads_share_a_zip(tmp_path):
    from gan_jax.data import parallel

    contents = {f'{n:03}.jpg': np.random.default_rng(n).bytes(20_000) for n in range(50)}
    found = image_files.find(archive(tmp_path / 'set.zip', contents))
    assert list(parallel.ordered_map(found.read, range(50))) == list(contents.values())


def test_a_file_that_may_be_read_again_is_a_change(tmp_path, monkeypatch):
    write_album(tmp_path, 3)
    before = image_files.find(tmp_path).state
    monkeypatch.setattr(os, 'access', lambda path, mode: not str(path).endswith('1.jpg'))
    assert image_files.find(tmp_path).state != before
