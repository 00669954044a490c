"""Metrics in words: what a person reads on the terminal and in the report."""

from collections.abc import Mapping, Sequence
import re
from typing import Annotated, Any, NamedTuple, NotRequired, TypedDict

from gan_jax.evaluation import distances, metrics, scores
from gan_jax.io.schema import Count, Number, Own, Positive, Share, Value
from gan_jax.pretrained import features as nets
from gan_jax.types import Metric


class Features(TypedDict):
    """Facts about the feature net that metrics are by; `FeatureNet.facts`."""

    name: str
    suffix: str
    frechet: str
    kernel: str
    version: str
    fingerprint: str
    resize: str
    looked_through: NotRequired[bool]


class Reference(TypedDict):
    """Facts about the real images that metrics are beside; `ImageSet.facts`."""

    name: str
    role: str
    fingerprint: str
    images: Positive
    of: Positive


class Provenance(TypedDict):
    """The way metrics of samples or translations were computed; of the latter perhaps by no net."""

    features: NotRequired[Features]
    reference: Reference
    samples: Positive


HISTOGRAM = 'class_histogram'  # shares of classes, which are no metric
_ASIDE = re.compile('(_real)?(_std|_pairs)?$')  # ends of keys of what stands beside a metric
Metrics = Annotated[Mapping[str, bool | Value], Own(HISTOGRAM, Mapping[str, Share])]


class Evaluation(TypedDict):
    """evaluation.json of samples."""

    run: str
    step: Count
    seed: Count
    features: Features
    reference: Reference
    samples: Positive
    figures: Metrics
    real: Metrics
    notes: tuple[str, ...]


_SCORES = dict.fromkeys(scores.SCORES, Number | None)
Scores = TypedDict('Scores', _SCORES)  # type: ignore[misc]  # the registry names the keys


class Candidates(TypedDict, total=False):
    """The images that are compared with the photo."""

    translated: Scores
    input: Scores
    mean_photo: Scores


_SPLIT = {
    'images': Positive,
    'of': Positive,
    'set': str,
    'fingerprint': str,
    'scores': Candidates,
    'features': NotRequired[Features],
    **{f'frechet_{net.suffix}': NotRequired[Number] for net in nets.NETS.values()},
}
# The pairs of a kind, in evaluation.json of a translator.
Split = TypedDict('Split', _SPLIT)  # type: ignore[misc]  # the registry names some keys


class Splits(TypedDict, total=False):
    """Pairs by kind."""

    train: Split
    held_out: Split
    other_domain: Split


class PairEvaluation(TypedDict):
    """evaluation.json of a translator."""

    run: str
    step: Count
    seed: Count
    splits: Splits


class Row(NamedTuple):
    """A line of the table."""

    name: str
    value: str
    meaning: str


def rows(found: Mapping[str, Any]) -> list[Row]:
    """The table of what `metrics.measure` returned."""
    net, values = found['features'], found['figures']
    names = {f'frechet_{net["suffix"]}': net['frechet'], f'kid_{net["suffix"]}': net['kernel']}
    table = []
    for key in values:
        if key == HISTOGRAM or _ASIDE.sub('', key) in values.keys() - {key}:
            continue  # shown in a line of its own, or beside the metric
        base = key.removesuffix(f'_{net["suffix"]}')
        word = metrics.METRICS.get(base, Metric(key, '{}', by_net=False))
        text = _shown(word, values, key)
        if key in found['real']:
            text += f' (real: {_shown(word, found["real"], key)})'
        elif f'{key}_real' in values:
            text += f' (real: {_shown(word, values, f"{key}_real")})'
        if f'{key}_std' in values:
            form = word.form if word.form.endswith('%}') else '{:.2g}'
            text += f' ± {form.format(values[f"{key}_std"])}'
        spread = ''
        if base == 'kid':  # not its error, but how far the subsets differ
            counts = found['samples'], found['reference']['images']
            spread = f'; ± over subsets of {distances.kid_subset_size(*counts):,}'
        name = names.get(key, word.name)
        name = _marked(name, net) if word.by_net else name
        table.append(Row(name, text, word.meaning + spread))
    if histogram := values.get(HISTOGRAM):
        shares = ', '.join(f'{name}:\u00a0{share:.1%}' for name, share in histogram.items())
        table.append(Row(_marked('Read as', net), shares, 'share of all samples'))
    return table


def _shown(word: Metric, values: Mapping[str, Any], key: str) -> str:
    value = values[key]
    if isinstance(value, bool):
        return 'YES' if value else 'no'
    bound = '> ' if values.get(f'{key}_pairs') == 0 else ''
    return bound + word.form.format(value)


def provenance(found: Mapping[str, Any]) -> dict[str, str]:
    """How the metrics were computed, as label -> text, to be shown beside every metric."""
    real = found['reference']
    part = '' if real['images'] == real['of'] else f' of {real["of"]:,}'
    return {
        'Samples': f'{found["samples"]:,}',
        'Reference': f'{real["images"]:,}{part} {real["role"]} ({real["name"]}),'
        f' fingerprint {real["fingerprint"][:12]}',
        **(_of_net(found['features']) if 'features' in found else {}),
    }


def _marked(name: str, net: Mapping[str, Any]) -> str:
    """The name of a metric by this net, with a star if the run was trained to please it."""
    return f'{name} *' if net.get('looked_through') else name


def _of_net(net: Mapping[str, Any]) -> dict[str, str]:
    seen = ' (* training looked through this net)' if net.get('looked_through') else ''
    return {
        'Feature net': f'{net["name"]}, version {net["version"]}, weights'
        f' {net["fingerprint"][:12]}{seen}',
        'Resize filter': net['resize'],
    }


def sentence(found: Mapping[str, Any]) -> str:
    """`provenance` in one line."""
    return '; '.join(f'{name}: {value}' for name, value in provenance(found).items())


# By the keys in what `pairs.assess` returns.
SPLITS = {'train': 'training pairs', 'held_out': 'held-out pairs', 'other_domain': 'other photos'}
CANDIDATES = {
    'translated': 'translated',
    'input': 'its input',
    'mean_photo': 'mean training photo',
}


def pair_sets(found: Mapping[str, Any]) -> dict[str, str]:
    """Which pairs the scores of `pairs.assess` are of, by split, to be shown beside them."""
    sets = {}
    for split, measured in found['splits'].items():
        part = '' if measured['images'] == measured['of'] else f' of {measured["of"]:,}'
        sets[SPLITS[split].capitalize()] = (
            f'{measured["images"]:,}{part} ({measured["set"]}),'
            f' fingerprint {measured["fingerprint"][:12]}'
        )
    if net := _pair_net(found):
        what = 'Frechet distance of the translations, as samples, from the photos of the same pairs'
        sets |= {_marked(net['frechet'], net): what, **_of_net(net)}
    return sets


def _pair_net(found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The facts of the net of the Frechet distances; None where there are too few pairs."""
    return next((m['features'] for m in found['splits'].values() if 'features' in m), None)


def pair_rows(found: Mapping[str, Any]) -> list[list[str]]:
    """The table of `pairs.assess`: names, then a row for each candidate of each split."""
    words = {key: score.metric for key, score in scores.SCORES.items()}
    rows = [['', '', *(word.name for word in words.values())]]
    if net := _pair_net(found):
        rows[0].append(_marked(net['frechet'], net))
    for split, measured in found['splits'].items():
        label = f'{measured["images"]:,} {SPLITS[split]}'
        for name, values in measured['scores'].items():
            cells = [
                '-' if values[key] is None else word.form.format(values[key])
                for key, word in words.items()
            ]
            if net:
                key = f'frechet_{net["suffix"]}'
                shown = name == 'translated' and key in measured
                cells.append(
                    metrics.METRICS['frechet'].form.format(measured[key]) if shown else '-'
                )
            rows.append([label, CANDIDATES[name], *cells])
            label = ''
    return rows


def summary(found: Mapping[str, Any]) -> str:
    """Lines for a terminal: what was measured and by what, the table, and the notes."""
    of_pairs = 'splits' in found
    facts = pair_sets(found) if of_pairs else provenance(found)
    lines = [f'{found["run"]}, step {found["step"]:,}']
    lines += [f'  {name:14} {value}' for name, value in facts.items()]
    lines += _aligned(pair_rows(found)) if of_pairs else _metrics(found)
    return '\n'.join([*lines, *(f'note: {note}' for note in found['notes'])])


def _metrics(found: Mapping[str, Any]) -> list[str]:
    table = rows(found)
    widths = [max(len(row[column]) for row in table) for column in (0, 1)]
    return [
        f'{row.name:{widths[0]}}  {row.value:{min(widths[1], 16)}}  {row.meaning}' for row in table
    ]


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        '  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
