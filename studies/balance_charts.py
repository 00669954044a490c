"""Pictures of the study of balance: what was measured over epochs, and the last samples."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax.evaluation import balance
from gan_jax.io import images
from gan_jax.records import recorder
from studies import pictures
from studies.study import Row

DISTANCES = ('frechet_efflite0', 'frechet_digits')  # the latter in a smoke run
SMOOTHED = 10  # epochs of which the median is drawn
COLORS = dict(zip(('plain', 'best'), ('#c8501e', '#1f5fa8'), strict=True))
MORE_COLORS = ('#6a8f3a', '#8a5fb0', '#c98b2b', '#2f9a9a', '#b0416b', '#444444')
_TICKS = (0.5, 0.9, 0.99, 0.999)


def measured(rows: Sequence[Row], workdir: Path) -> bytes:
    """AUC above, distance below, over epochs, of the runs of a width."""
    page = pictures.figure(5.5, 6.5)
    auc, distance = page.subplots(2, 1, sharex=True)
    for row, color in zip(rows, _colors(rows), strict=True):
        _draw(auc, distance, workdir, row, color)
    _auc_axis(auc)
    auc.set_title(
        f'width {rows[0]["width"]}: AUC of D, training images, medians of {SMOOTHED} epochs',
        loc='left',
        fontsize=10,
    )
    distance.axhline(rows[0]['fd_real'], color='#222', linewidth=0.8, linestyle='dotted')
    distance.set_title('Frechet distance (dotted: training images)', loc='left', fontsize=10)
    distance.set_ylim(bottom=0)
    pictures.plain(distance)
    distance.legend(fontsize=8, frameon=False, ncols=2)
    distance.set_xlabel('epoch', fontsize=9)
    return images.drawn(page)


def _colors(rows: Sequence[Row]) -> list[str]:
    others = iter(MORE_COLORS * len(rows))
    known: dict[str, str] = {}
    for row in rows:
        name = row['setting']
        known.setdefault(name, COLORS.get(name) or next(others))
    return [known[row['setting']] for row in rows]


def _auc_axis(axes: Any) -> None:
    """Logarithmic in 1 - AUC, so that 0.99 and 0.999 are apart."""
    axes.set_yscale('log')
    axes.set_ylim(0.8, 4e-4)
    axes.set_yticks([1 - tick for tick in _TICKS], [f'{tick:g}' for tick in _TICKS])
    axes.minorticks_off()
    axes.axhline(1 - balance.LOST, color='#222', linewidth=0.8, linestyle='dotted')
    pictures.plain(axes)


def _draw(auc: Any, distance: Any, workdir: Path, row: Row, color: str) -> None:
    found = recorder.read_rows(_folder(workdir, row), recorder.EVALUATIONS)
    style = {'color': color, 'linestyle': 'solid' if row['seed'] == 0 else 'dashed'}
    label = row['setting'] if row['seed'] == 0 else f'{row["setting"]}, seed {row["seed"]}'
    epochs, values = _points(found, ('auc',))
    auc.plot(epochs, np.maximum(1 - _smooth(epochs, values), 5e-4), linewidth=1.3, **style)
    distance.plot(*_points(found, DISTANCES), 'o', ms=2.5, linewidth=1.3, label=label, **style)


def _folder(workdir: Path, row: Row) -> Path:
    return workdir / '{setting}-{width}-{seed}'.format(**row)


def _points(found: Sequence[Row], names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Epochs and values of the first of the figures that was measured."""
    for name in names:
        own = [(row['epoch'], row[name]) for row in found if row.get(name) is not None]
        if own:
            return tuple(np.array(own, float).T)
    return np.empty(0), np.empty(0)


def _smooth(epochs: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The median of the `SMOOTHED` epochs up to each."""
    near = [(epochs > epoch - SMOOTHED) & (epochs <= epoch) for epoch in epochs]
    return np.array([np.median(values[part]) for part in near])


def at_the_end(rows: Sequence[Row], workdir: Path) -> bytes | None:
    """Samples of the last epoch, of the same latents, a line for each way."""
    found = {}
    for row in rows:
        if strip := pictures.read_strip(_folder(workdir, row)):
            epochs, image = strip
            title = f'{row["setting"]}: FD {row["fd_last"]:.3g} at {epochs[-1]:,}'
            found[title] = image[-(len(image) // len(epochs)) :]
    return pictures.side_by_side(found, width=3.4)
