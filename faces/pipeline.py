"""A whole album: every photo examined, in parallel; crops, report and contact sheet written."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
import dataclasses
import functools
from pathlib import Path
import shutil

from faces import cleaning, contact, destination
from faces.cleaning import KEPT, UNREADABLE, Row, Settings
from faces.detector import Detector
from faces.names import Names
from gan_jax.data import parallel
from gan_jax.data.decode import Unreadable
from gan_jax.data.image_files import ImageFolder, shown
from gan_jax.errors import UserError
from gan_jax.io import files, images

COLUMNS = ('file', 'decision', 'x', 'y', 'width', 'height', 'score', 'output')
DETAILS = ('file', 'decision', 'output', 'why', 'angle', 'sharpness', 'crop_side', 'enlarged')


@dataclasses.dataclass(frozen=True)
class Summary:
    """Counts of what a cleaning did."""

    photos: int  # files looked at
    decisions: Mapping[str, int]  # rows of the report by decision
    enlarged: int  # kept crops of fewer pixels than they were given
    unreadable: Sequence[str]  # 'NAME: why'


def run(
    album: ImageFolder,
    detect: Detector,
    settings: Settings,
    verdicts: Mapping[str, str],
    output: Path,
    seen: Callable[[int], None] = lambda photos: None,
) -> Summary:
    """Cleans an album into a folder that `destination.start` has made ready.

    Args:
      detect: called by several threads.
      verdicts: by hand, by name.
      output: the folder; the report is the last file written to it.
      seen: called with the number of photos that are done.

    Raises:
      UserError: no photo can be read; nothing is left in the folder.
    """
    drafts = output / destination.DRAFTS
    try:
        work = functools.partial(_examine, album, detect, settings, verdicts, drafts)
        rows: list[Row] = []
        for done, own in enumerate(parallel.ordered_map(work, range(len(album))), 1):
            rows += own
            seen(done)
        if all(row.decision == UNREADABLE for row in rows):
            destination.unmark(output)
            raise UserError(
                f'--input={album.path}: none of {len(album)} images can be read'
                f' ({shown(album.names[0])}: {rows[0].why})'
            )
        return _write(album, cleaning.decide(rows, settings), settings, output)
    finally:
        shutil.rmtree(drafts, ignore_errors=True)


def _examine(
    album: ImageFolder,
    detect: Detector,
    settings: Settings,
    verdicts: Mapping[str, str],
    drafts: Path,
    file: int,
) -> list[Row]:
    """The rows of a photo, whose crops become drafts."""
    try:
        verdict = verdicts.get(album.names[file], '')
        pairs = cleaning.examine(file, album.read(file), detect, settings, verdict)
    except Unreadable as error:
        return [Row(file, UNREADABLE, str(error))]
    for place, (_, crop) in enumerate(pairs):
        _draft(drafts, file, place).write_bytes(images.png(crop))
    return [row for row, _ in pairs]


def _draft(drafts: Path, file: int, place: int) -> Path:
    return drafts / f'{file}_{place}.png'


def _write(album: ImageFolder, rows: Sequence[Row], settings: Settings, output: Path) -> Summary:
    """The contact sheet, the crops, the details and, when all is there, the report."""
    drafts = [_draft(output / destination.DRAFTS, *key) for key in _places(rows)]
    pictures = [
        contact.Picture(row.decision, row.enlarged(settings.size) > 1, draft)
        for row, draft in zip(rows, drafts, strict=True)
        if row.decision != UNREADABLE
    ]
    destination.empty(output)
    images.write_png(output / destination.CONTACT, contact.sheet(pictures))
    outputs = _outputs(album, rows)
    (output / destination.CROPS).mkdir()
    for draft, name in zip(drafts, outputs, strict=True):
        if name:
            (output / name).parent.mkdir(parents=True, exist_ok=True)
            draft.rename(output / name)
    left_out = [(shown(name), why) for name, why in album.ignored]
    details = _details(album, rows, outputs, settings)
    details += [(name, UNREADABLE, '', why, '', '', '', '') for name, why in left_out]
    files.replace(output / destination.DETAILS, files.table(DETAILS, details))
    report = _report(album, rows, outputs)
    report += [(name, UNREADABLE, *[''] * 6) for name, _ in left_out]
    files.replace(output / destination.REPORT, files.table(COLUMNS, report))
    return _summary(album, rows, settings)


def _places(rows: Sequence[Row]) -> Iterator[tuple[int, int]]:
    """The photo of each row, and the row's place among the photo's own."""
    count: Counter[int] = Counter()
    for row in rows:
        yield row.file, count[row.file]
        count[row.file] += 1


def _outputs(album: ImageFolder, rows: Sequence[Row]) -> list[str]:
    """The crop of each kept row, relative to the output folder; '' of the others."""
    names = Names(album.names)
    count: Counter[int] = Counter()
    outputs = []
    for row in rows:
        kept = row.decision == KEPT
        name = names.crop(row.file, count[row.file]) if kept else ''
        outputs.append(f'{destination.CROPS}/{name}' if kept else '')
        count[row.file] += kept
    return outputs


def _report(
    album: ImageFolder, rows: Sequence[Row], outputs: Sequence[str]
) -> list[tuple[str, ...]]:
    table = []
    for row, output in zip(rows, outputs, strict=True):
        box = [f'{value:.1f}' for value in row.face[:4]] if row.face else [''] * 4
        score = f'{row.face.score:.4f}' if row.face else ''
        table.append((shown(album.names[row.file]), row.decision, *box, score, shown(output)))
    return table


def _details(
    album: ImageFolder, rows: Sequence[Row], outputs: Sequence[str], settings: Settings
) -> list[tuple[str, ...]]:
    table = []
    for row, output in zip(rows, outputs, strict=True):
        why = row.why if row.like is None else f'like {shown(outputs[row.like])}'
        figures: tuple[str, ...] = ('', '', '', '')
        if row.square:
            crop = f'{row.sharpness:.3f}', f'{row.square.side:.1f}'
            enlarged = row.enlarged(settings.size)
            figures = f'{row.square.angle:.1f}', *crop, f'{enlarged:.2f}' if enlarged > 1 else ''
        name = shown(album.names[row.file])
        table.append((name, row.decision, shown(output), why, *figures))
    return table


def _summary(album: ImageFolder, rows: Sequence[Row], settings: Settings) -> Summary:
    bad = [f'{shown(album.names[r.file])}: {r.why}' for r in rows if r.decision == UNREADABLE]
    bad += map(str, album.ignored)
    count = Counter(row.decision for row in rows)
    count[UNREADABLE] = len(bad)
    small = sum(row.decision == KEPT and row.enlarged(settings.size) > 1 for row in rows)
    decisions = {decision: count[decision] for decision in cleaning.DECISIONS}
    return Summary(len(album) + len(album.ignored), decisions, small, bad)
