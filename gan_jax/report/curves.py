"""A run's curves: which metrics share a panel, how they are thinned and smoothed."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gan_jax.evaluation import balance, metrics, scores
from gan_jax.pretrained import features, imagenet
from gan_jax.types import Metric


class Curve(NamedTuple):
    """One metric by its name; `net` is gen or disc and chooses the colour."""

    metric: str
    label: str
    net: str


class Panel(NamedTuple):
    """Curves that share their axes."""

    title: str  # above the panel
    # those without a value in a run are left out, and a panel without any
    curves: tuple[Curve, ...]
    # of y; None: from the values, both or one of them
    limits: tuple[float | None, float | None] = (None, None)
    guide: float | None = None  # y of a faint line, None for none
    log: bool = False  # whether y is logarithmic
    evaluated: bool = False  # whether the values are of evaluations.jsonl, not of metrics.jsonl
    # whether they are of samples under a feature net, and say nothing without its name
    by_net: bool = False


def _keys(key: str, metric: Metric) -> dict[str, str]:
    """A metric's keys in evaluations.jsonl, one for each net or one alone, with curves' labels."""
    if not metric.suffixed:
        return {key: metric.name}
    return {f'{key}_{net.suffix}': net.title for net in features.NETS.values()}


def _of_samples(panel: str) -> tuple[Curve, ...]:
    """The metrics of samples that share a panel."""
    shown = [(k, m) for k, m in metrics.METRICS.items() if m.panel == panel]
    return tuple(
        Curve(key, label, 'disc' if place == 1 else 'gen')
        for place, (name, metric) in enumerate(shown)
        for key, label in _keys(name, metric).items()
    )


def _of_pairs(compared: Mapping[str, Metric]) -> tuple[Curve, ...]:
    """Metrics of training and of held-out pairs."""
    return tuple(
        Curve(key + part, label, net)
        for name, metric in compared.items()
        for key in _keys(name, metric)
        for part, label, net in (('', 'Training', 'disc'), (metrics.HELD_OUT, 'Held out', 'gen'))
    )


PANELS = (
    Panel(
        'Losses',
        (Curve('loss_g', 'Generator', 'gen'), Curve('loss_d', 'Discriminator', 'disc')),
    ),
    Panel(
        'What the discriminator believes',
        (Curve('d_real', 'D(x)', 'disc'), Curve('d_fake', 'D(G(z))', 'gen')),
        limits=(0.0, 1.0),
        guide=0.5,
    ),
    Panel('Distance to the photo (L1)', (Curve('l1', 'Generator', 'gen'),), limits=(0.0, None)),
    Panel(
        'Real above fake (AUC)',
        (
            Curve('auc', 'Training', 'disc'),
            Curve('auc_held_out', 'Held out', 'gen'),
        ),
        limits=(None, 1.0),
        guide=balance.LOST,
        evaluated=True,
    ),
    *(
        Panel(
            f'Translations: {metric.panel}',
            _of_pairs({key: metric}),
            limits=(0.0, None),
            evaluated=True,
            by_net=metric.by_net,
        )
        for key, metric in scores.METRICS.items()
        if metric.panel
    ),
    Panel(
        'Translations: cats',
        _of_pairs(imagenet.METRICS),
        limits=(0.0, 1.0),
        evaluated=True,
        by_net=True,
    ),
    *(
        Panel(title, _of_samples(title), limits=(0.0, most), evaluated=True, by_net=True)
        for title, most in (
            ('Frechet distance', None),
            ('Kernel distance', None),
            ('Samples beside real images', 1.0),
        )
    ),
    Panel(
        'Augmentation',
        (
            Curve('augment_p', 'Probability', 'gen'),
            Curve('d_sign', 'Real taken for real', 'disc'),
        ),
        limits=(None, 1.0),
    ),
    Panel(
        'Gradient norms',
        (Curve('grad_norm_g', 'Generator', 'gen'), Curve('grad_norm_d', 'Discriminator', 'disc')),
        log=True,
    ),
    Panel('Labelled images', (Curve('accuracy', 'Accuracy', 'disc'),), limits=(0.0, 1.0)),
    Panel(
        'Classes',
        (
            Curve('loss_supervised', 'Labelled', 'disc'),
            Curve('loss_pseudo', 'Unlabelled', 'gen'),
        ),
    ),
    Panel('Penalty', (Curve('penalty', 'Gradient', 'disc'), Curve('lecam', 'LeCam', 'gen'))),
)


class Line(NamedTuple):
    """A curve's points: `raw` and `smooth` are float64 [N], NaN where nothing was measured."""

    curve: Curve
    raw: np.ndarray
    smooth: np.ndarray


class Drawing(NamedTuple):
    """A panel with its points."""

    panel: Panel  # as in PANELS
    steps: np.ndarray  # float64 [N], increasing
    end: float  # the last step of all panels, where their axes end
    lines: tuple[Line, ...]  # at least one
    limits: tuple[float, float]  # of y; for a logarithmic panel all values are log10, these too
    ticks: list[float]  # y values to name, inside the limits

    def tick_label(self, tick: float) -> str:
        """A tick as a reader knows it."""
        return f'{10**tick:.2g}' if self.panel.log else f'{tick:g}'


Rows = Sequence[Mapping[str, Any]]


def drawings(metrics: Rows, evaluations: Rows, points: int) -> list[Drawing]:
    """The panels that a run has values for."""
    end = max((rows[-1]['step'] for rows in (metrics, evaluations) if rows), default=0)
    found = (
        _draw(panel, evaluations if panel.evaluated else metrics, max(float(end), 1.0), points)
        for panel in PANELS
    )
    return [drawing for drawing in found if drawing is not None]


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """About `count` round numbers in [low, high]."""
    from matplotlib.ticker import MaxNLocator

    found = MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    slack = 1e-9 * (high - low)
    return [round(float(tick), 9) for tick in found if low - slack <= tick <= high + slack]


def smooth(values: np.ndarray) -> np.ndarray:
    """Centred moving mean over a 25th of the values [N], skipping NaN; a few stay as they are."""
    width = len(values) // 25
    if width < 2:
        return values
    kernel = np.ones(2 * (width // 2) + 1)
    known = np.isfinite(values)
    total = np.convolve(np.where(known, values, 0.0), kernel, 'same')
    count = np.convolve(known.astype(float), kernel, 'same')
    return np.where(known, total / np.maximum(count, 1), np.nan)


def _draw(panel: Panel, rows: Rows, end: float, points: int) -> Drawing | None:
    if panel.evaluated:  # a line holds what was due at its step
        rows = [row for row in rows if any(curve.metric in row for curve in panel.curves)]
    lines = []
    for curve in panel.curves:
        values = _column(rows, curve.metric)
        if panel.log:
            values = np.log10(np.where(values > 0, values, np.nan))
        if np.isfinite(values).any():
            raw = _thin(values, points)
            lines.append(Line(curve, raw, smooth(raw)))
    if not lines:
        return None
    limits = _limits(panel, lines)
    steps = _thin(_column(rows, 'step'), points)
    return Drawing(panel, steps, end, tuple(lines), limits, ticks(*limits))


def _limits(panel: Panel, lines: Sequence[Line]) -> tuple[float, float]:
    """The panel's own, or without the odd spike, which would flatten everything else."""
    values = np.concatenate([line.raw for line in lines])
    low, high = np.nanpercentile(values, (0.5, 99.5))
    margin = 0.08 * (high - low) or 0.5
    lowest, highest = panel.limits
    return (
        float(low - margin) if lowest is None else lowest,
        float(high + margin) if highest is None else highest,
    )


def _column(rows: Rows, name: str) -> np.ndarray:
    values = (row.get(name) for row in rows)
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _thin(values: np.ndarray, points: int) -> np.ndarray:
    """Means of equal runs of values, NaN left out."""
    if len(values) <= points:
        return values
    starts = np.linspace(0, len(values), points, endpoint=False).astype(int)
    known = np.isfinite(values)
    total = np.add.reduceat(np.where(known, values, 0.0), starts)
    count = np.add.reduceat(known.astype(float), starts)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
