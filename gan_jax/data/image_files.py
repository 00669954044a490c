"""A user's images where they lie: in a folder with folders in it, or in a .zip of one."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
import dataclasses
import functools
import hashlib
import os
from pathlib import Path, PurePosixPath
import stat
import sys
import threading
from typing import NamedTuple
import zipfile

import numpy as np

from gan_jax.data import containers
from gan_jax.data.decode import Unreadable
from gan_jax.errors import UserError
from gan_jax.io import files as files_lib
from gan_jax.io import paths
from gan_jax.terminal import printable

MAX_BYTES = 2**30  # a larger file is refused before it is read; 200 megapixels have 0.6e9 bytes
READ = 'JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF and HEIC'
_SUFFIXES = frozenset(
    ('.jpg', '.jpeg', '.jpe', '.jfif', '.mpo', '.png', '.apng', '.webp', '.bmp', '.gif', '.tif')
    + ('.tiff', '.avif', '.heic', '.heif', '.hif')
)
# What an album has besides, and a user may take for pictures that are used.
_OTHERS = {
    "a camera's raw file: save it as JPEG": '.3fr .arw .cr2 .cr3 .dng .erf .kdc .mrw .nef .nrw'
    ' .orf .pef .raf .raw .rw2 .srw .x3f',
    'a video: save frames of it as JPEG': '.3gp .avi .m4v .mkv .mov .mp4 .mpeg .mpg .mts .webm'
    ' .wmv',
    'a kind that is not read: save it as JPEG or PNG': '.ani .ara .avifs .blp .bufr .bw .cdr .cgm'
    ' .cur .dcx .dds .dib .djv .djvu .emf .eps .exr .fit .fits .flc .fli .fpx .ftc .ftu .gbr .gd'
    ' .gd2 .grib .h5 .hdf .hdp .hdr .icb .icns .ico .iim .im .imt .j2c .j2k .jp2 .jpc .jpf .jpm'
    ' .jpx .jxl .jxr .mic .mng .msp .p7 .palm .pam .pbm .pcd .pct .pcx .pfm .pgm .pict .pnm .ppm'
    ' .ps .psb .psd .pxr .qoi .ras .rgb .rgba .sgi .spider .svg .svgz .tga .vda .vst .wal .wbmp'
    ' .wdp .wmf .xbm .xcf .xpm .xwd',
    'an archive: unpack it': '.7z .gz .rar .tar .tgz .zip',
    'pages, not a picture: save those with one as JPEG or PNG': '.pdf',
}
_REFUSED = {suffix: why for why, suffixes in _OTHERS.items() for suffix in suffixes.split()}


class LeftOut(NamedTuple):
    """A file that is not used."""

    name: str
    why: str

    def __str__(self) -> str:
        return f'{shown(self.name)}: {self.why}'


@dataclasses.dataclass(frozen=True)
class Files:
    """The files of a folder by name; any thread may read."""

    path: Path  # the folder

    def read(self, name: str) -> bytes:
        """The content of a file, by its name relative to the folder.

        Raises:
          Unreadable: the system does not give it, or it is larger than `MAX_BYTES`.
        """
        try:
            with open(files_lib.regular(Path(self.path, name)), 'rb') as file:
                _check_bytes(os.fstat(file.fileno()).st_size)
                return file.read()
        except OSError as error:
            raise Unreadable(_why(error)) from error


@dataclasses.dataclass(frozen=True)
class ZippedFiles(Files):
    """The same in a .zip, which is never unpacked."""

    # the names that members have in the archive, where those differ
    packed_as: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def read(self, name: str) -> bytes:
        """The content of a member."""
        try:
            members, name = self._members(), self.packed_as.get(name, name)
            _check_bytes(members.getinfo(name).file_size)
            return members.read(name)
        except Unreadable:
            raise
        except Exception as error:  # zipfile, zlib and the system raise what they like
            raise Unreadable(str(error) or repr(error)) from error

    def _members(self) -> zipfile.ZipFile:
        # One for each thread: they would take turns on the lock of a common one.
        local = self.__dict__.setdefault('_local', threading.local())
        if not hasattr(local, 'file'):
            local.file = zipfile.ZipFile(self.path)
        return local.file


@dataclasses.dataclass(frozen=True)
class ImageFolder:
    """Image files in the order of their names."""

    files: Files  # what they are read from
    names: Sequence[str]  # of the files, relative to it, with slashes, sorted
    state: str  # 16 hex digits that differ when a file's name, size or time does
    ignored: Sequence[LeftOut]  # files and folders that were passed over

    def __len__(self) -> int:
        return len(self.names)

    @property
    def path(self) -> Path:
        """The folder or .zip."""
        return self.files.path

    def read(self, index: int) -> bytes:
        """The content of a file; see `Files.read`."""
        return self.files.read(self.names[index])


def _why(error: OSError) -> str:
    return error.strerror or str(error)


def _check_bytes(count: int) -> None:
    if count > MAX_BYTES:
        raise Unreadable(f'{count:,} bytes; at most {MAX_BYTES:,} are read')


def find(path: Path, field: str = 'config.data.path') -> ImageFolder:
    """The images in a folder, or in a .zip of one, however deep; or a single image file.

    A name without a suffix is an image if its content is. Names that begin with a dot are passed
    over in silence, as are files that are no pictures; pictures of other kinds, and videos, are
    named. Links are followed; a folder that was already seen is not entered again.

    Raises:
      UserError: there is no such folder, it cannot be read, or it holds no image.
    """
    path = existing(path, field)
    if is_single(path):
        return _single(path)
    album = _folder(path) if path.is_dir() else _unzipped(path, field)
    if not album.names:
        why = f' ({"; ".join(map(str, album.ignored[:3]))})' if album.ignored else ''
        raise UserError(f'{field}={paths.shown(path)} holds no images{why}: {READ} are read')
    return album


def is_single(path: Path) -> bool:
    """Whether a path is a single image file."""
    return path.is_file() and _judged(path.name, functools.partial(_head, path)) == ''


def existing(path: Path, field: str) -> Path:
    """The path of a folder or a .zip of images, absolute.

    Raises:
      UserError: there is none, or the system does not say.
    """
    path = paths.absolute(path, field)
    try:
        path.stat()
    except OSError as error:
        by = f', by --{field}' if field.startswith('config.') else ''
        raise UserError(
            f'{field}={paths.shown(path)} cannot be opened ({error.strerror}): give a folder of'
            f' images, or a .zip of one{by}'
        ) from error
    return path


def keep_out(path: Path, field: str, output: Path, flag: str) -> None:
    """Raises UserError if `output`, given by `flag`, lies in the folder `path`, by `field`."""
    home, place = path.expanduser().resolve(), output.resolve()
    if home.is_dir() and home in (place, *place.parents):
        raise UserError(
            f'{flag}={paths.shown(output)} is inside {field}={paths.shown(path)}, which is never'
            ' changed: name a place outside of it'
        )


def is_named_like_one(name: str) -> bool:
    """Whether a file's name ends as an image's."""
    return Path(name).suffix.lower() in _SUFFIXES


def classes(names: Sequence[str], unlabelled: str = '') -> tuple[tuple[str, ...], np.ndarray]:
    """Classes from sub-folders: the names of the classes, and int32 [N], the class of each file.

    There are classes if all files lie in sub-folders, two or more: the outermost ones, sorted,
    and by number where all are numbers.
    A folder that holds all others, as in a .zip of one, does not count.

    Args:
      names: of the files, with slashes.
      unlabelled: a sub-folder that is no class; its files, and those in no sub-folder, have the
        class -1. '': there is none, and one file in no sub-folder means that there are no classes.
    """
    heads = outermost(names)
    outer = sorted(set(heads) - ({'', unlabelled} if unlabelled else set()))
    if all(map(str.isdecimal, outer)):
        outer.sort(key=int)
    if len(outer) < (1 if unlabelled else 2) or '' in outer:
        return (), np.zeros(len(names), np.int32)
    number = {name: index for index, name in enumerate(outer)}
    labels = np.fromiter((number.get(h, -1) for h in heads), np.int32, len(names))
    return tuple(map(shown, outer)), labels


def outermost(names: Sequence[str]) -> list[str]:
    """The outermost folder of each file below what is common to all, '' for one in none."""
    common = os.path.commonpath([os.path.dirname(name) for name in names]) if names else ''
    start = len(common) + 1 if common else 0
    return [sys.intern(name[start:].rpartition('/')[0].partition('/')[0]) for name in names]


def to_have_classes(names: Sequence[str]) -> str:
    """The remedy for files in which `classes` finds none."""
    heads = outermost(names)
    strays = [name for name, head in zip(names, heads, strict=True) if not head]
    if len(strays) == len(names):
        return 'sort its pictures into a sub-folder for each'
    count = f'{len(strays):,} of {len(names):,} pictures lie in no sub-folder'
    return f'{count}, such as {shown(strays[0])}: sort them into those of their classes, or out'


def shown(name: str) -> str:
    """A file's name as one line of text that can be printed, whatever its bytes are."""
    return printable(name)


def _judged(name: str, head: Callable[[], bytes]) -> str | None:
    """Why a file is left out; '' if it is taken for an image, None if it is passed over."""
    suffix = files_lib.suffix(name)
    if name.startswith('.'):
        return None
    if suffix in _SUFFIXES or suffix in _REFUSED:
        return _REFUSED.get(suffix, '')
    if kind := containers.kind(head()):
        return f'{kind} by its content: give it the suffix of one' if suffix else ''
    return None


def _head(path: Path | str) -> bytes:
    """The first bytes of a file; none of another thing, as a pipe would wait for its writer."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return b''
        with open(path, 'rb') as file:
            return file.read(containers.HEAD)
    except OSError:
        return b''


def _folder(path: Path) -> ImageFolder:
    ignored: list[LeftOut] = []
    names, state = _in_order(path, _walk(path, ignored))
    return ImageFolder(Files(path), names, state, tuple(ignored))


def _walk(root: Path, ignored: list[LeftOut]) -> Iterator[tuple[str, int, int]]:
    """Name, bytes and time of each image below `root`; time is -1 where it may not be read."""

    def refused(error: OSError) -> None:
        ignored.append(LeftOut(os.path.relpath(error.filename, root), _why(error)))

    seen = set()
    for folder, folders, files in os.walk(root, onerror=refused, followlinks=True):
        here = os.stat(folder)
        if (here.st_dev, here.st_ino) in seen:
            folders.clear()
            continue
        seen.add((here.st_dev, here.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith('.'))
        inside = Path(folder).relative_to(root)
        for file in files:
            path = os.path.join(folder, file)
            why = _judged(file, functools.partial(_head, path))
            if why is None:
                continue
            name = (inside / file).as_posix()
            if why:
                ignored.append(LeftOut(name, why))
                continue
            try:
                status = os.stat(path)
            except OSError as error:  # a link that leads nowhere, or in a circle
                ignored.append(LeftOut(name, _why(error)))
                continue
            if stat.S_ISREG(status.st_mode):
                # A file that may be read from now on is a change, which its time does not tell.
                readable = os.access(path, os.R_OK)
                yield name, status.st_size, status.st_mtime_ns if readable else -1
            else:
                ignored.append(LeftOut(name, 'not a regular file'))


def _single(path: Path) -> ImageFolder:
    status = path.stat()
    names, state = _in_order(path.parent, [(path.name, status.st_size, status.st_mtime_ns)])
    return ImageFolder(Files(path.parent), names, state, ())


def _unzipped(path: Path, field: str) -> ImageFolder:
    try:
        with zipfile.ZipFile(files_lib.regular(path)) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            judged = [_judged_member(archive, info) for info in members]
    except PermissionError as error:
        raise UserError(f'{field}={path} may not be read: change its permissions') from error
    except Exception as error:  # zipfile raises what a damaged directory makes it meet
        why = getattr(error, 'strerror', None) or error
        raise UserError(
            f'{field}={path} is neither a folder, an image nor a whole .zip ({why}): give one of'
            ' them'
        ) from error
    ignored = [LeftOut(i.filename, why) for i, why in zip(members, judged, strict=True) if why]
    # By name, because an archive may hold a name twice; the last one is read.
    used = {_slashed(i): i for i, why in zip(members, judged, strict=True) if why == ''}
    names, state = _in_order(path, [(name, i.file_size, i.CRC) for name, i in used.items()])
    packed_as = {name: i.filename for name, i in used.items() if name != i.filename}
    return ImageFolder(ZippedFiles(path, packed_as), names, state, tuple(ignored))


def _slashed(info: zipfile.ZipInfo) -> str:
    """A member's name; some programs on Windows write backslashes."""
    return info.filename.replace('\\', '/')


def _judged_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str | None:
    """`_judged` of a member of an archive."""
    name = _slashed(info)
    if name.startswith('/') or '..' in name.split('/'):
        return 'leads out of the archive'
    *folders, file = PurePosixPath(name).parts or ('',)
    if any(folder.startswith('.') or folder == '__MACOSX' for folder in folders):
        return None

    def head() -> bytes:
        try:
            with archive.open(info) as member:
                return member.read(containers.HEAD)
        except Exception:  # zipfile, zlib and the system raise what they like
            return b''

    return _judged(file, head)


def _in_order(path: Path, found: Iterable[tuple[str, int, int]]) -> tuple[tuple[str, ...], str]:
    """The names in order, and 16 hex digits of the path, the names and the numbers of each."""
    # Numbers in arrays: as objects those of a large album would take more memory than its names.
    names, numbers = [], array('q')
    for name, *pair in found:
        names.append(name)
        numbers.extend(pair)
    order = sorted(range(len(names)), key=names.__getitem__)
    digest = hashlib.sha256(_bytes(str(path.resolve())))
    for index in order:
        digest.update(_bytes(names[index]) + b'\0')
        digest.update(numbers[2 * index : 2 * index + 2].tobytes())
    return tuple(names[index] for index in order), digest.hexdigest()[:16]


def _bytes(name: str) -> bytes:
    """A name whatever the locale is: in a .zip it may have letters that this lacks."""
    return name.encode('utf-8', 'surrogateescape')
