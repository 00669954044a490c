"""Figures in words: what a person reads on the terminal and in the report."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, NotRequired, TypedDict

from gan_jax.evaluation import distances, scores
from gan_jax.schema import Count, Figure, Number, Own, Positive, Share


class Net(TypedDict):
    """What figures say of the feature net they are by; `FeatureNet.facts`."""

    name: str
    version: str
    fingerprint: str
    resize: str
    suffix: NotRequired[str]
    frechet: NotRequired[str]
    kernel: NotRequired[str]
    looked_through: NotRequired[bool]


class Features(TypedDict):
    """The same where the net's own figures are shown."""

    name: str
    version: str
    fingerprint: str
    resize: str
    suffix: str
    frechet: str
    kernel: str
    looked_through: NotRequired[bool]


class Reference(TypedDict):
    """What figures say of the real images they are beside; `ImageSet.facts`."""

    name: str
    role: str
    fingerprint: str
    images: Positive
    of: Positive


class Provenance(TypedDict):
    """What figures of samples are of and by."""

    features: Net
    reference: Reference
    samples: Positive


class Word(NamedTuple):
    """A figure as it is shown.

    Attributes:
      name: of those that are not a distance of features, which have one for each net.
      form: of its value.
      meaning: which values are good.
      by_net: whether it is the feature net's.
    """

    name: str
    form: str
    meaning: str
    by_net: bool = True


# By the key in `figures`, without the net's suffix.
WORDS: Mapping[str, Word] = {
    'frechet': Word('Frechet distance', '{:.4g}', 'Frechet distance, 0: the same distribution'),
    'kid': Word('Kernel distance', '{:.3g}', 'kernel distance, 0: the same distribution'),
    'precision': Word('Precision', '{:.1%}', 'samples that look like real images'),
    'recall': Word('Recall', '{:.1%}', 'real images that samples look like'),
    'density': Word('Density', '{:.3f}', '1: as dense as real images'),
    'coverage': Word('Coverage', '{:.1%}', 'real images with a sample next to them'),
    'copies': Word('Copies', '{:.1%}', 'samples with one training image much nearer than others'),
    'memorisation': Word('Memorisation', '{:.3f}', '0.5: none, 1: copies'),
    'diversity': Word('Diversity', '{:.3f}', 'mean distance, 1: as real images'),
    'spacing': Word('Spacing', '{:.3f}', 'distance to the nearest other, 1: as real images'),
    'kinds': Word('Kinds', '{:,.0f}', 'distinct images, by how many pairs are alike', False),
    'collapsed': Word('Collapsed', '{}', 'diversity or spacing below 0.5'),
    'swd': Word('Patches', '{:.2f}', 'sliced Wasserstein distance x 1000, 0: the same', False),
    'noise': Word('Pixel noise', '{:.2f}', 'grey levels of 255 above what real images have', False),
    'fine_power': Word('Fine detail', '{:.3f}', 'at high frequencies, 1: as real images', False),
    'readable_share': Word('Readable', '{:.1%}', 'digits read with confidence above 0.9'),
    'cat_share': Word('Cats', '{:.1%}', 'samples that ImageNet would call a house cat'),
    'classes_present': Word('Classes present', '{}', 'of 10, with at least 1 % of the samples'),
    'carries_color': Word('Carry color', '{:.1%}', 'samples as the augmentation makes them', False),
    'carries_soft_color': Word('Carry soft color', '{:.1%}', 'as augmentation makes them', False),
    'carries_translation': Word('Carry translation', '{:.1%}', 'samples with a grey border', False),
    'carries_cutout': Word('Carry cutout', '{:.1%}', 'samples with a grey hole', False),
    'carries_small_cutout': Word('Carry small cutout', '{:.1%}', 'samples with a grey hole', False),
    'carries_affine': Word('Carry affine', '{:.1%}', 'samples that are turned', False),
}


Figures = Annotated[Mapping[str, bool | Figure], Own('class_histogram', Mapping[str, Share])]


class Evaluation(TypedDict):
    """evaluation.json of samples."""

    run: str
    step: Count
    seed: Count
    features: Features
    reference: Reference
    samples: Positive
    figures: Figures
    real: Figures
    notes: tuple[str, ...]


Scores = TypedDict('Scores', dict.fromkeys((*scores.SCORES, scores.EDGES), Number | None))


class Candidates(TypedDict, total=False):
    """What is compared with the photo."""

    translated: Scores
    input: Scores
    mean_photo: Scores


class Split(TypedDict):
    """The pairs of a kind, in evaluation.json of a translator."""

    images: Positive
    of: Positive
    set: str
    fingerprint: str
    scores: Candidates
    features: NotRequired[Features]
    frechet_digits: NotRequired[Number]
    frechet_efflite0: NotRequired[Number]
    frechet_inception: NotRequired[Number]


class Splits(TypedDict, total=False):
    """By kind."""

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
    """The table of what `figures.measure` returned."""
    net, values = found['features'], found['figures']
    names = {f'frechet_{net["suffix"]}': net['frechet'], f'kid_{net["suffix"]}': net['kernel']}
    table = []
    for key in values:
        base = key.removesuffix(f'_{net["suffix"]}')
        word = WORDS.get(base)
        if word is None:
            continue
        text = _shown(word, values, key)
        if key in found['real']:
            text += f' (real: {_shown(word, found["real"], key)})'
        elif f'{key}_real' in values:
            text += f' (real: {_shown(word, values, f"{key}_real")})'
        if f'{key}_std' in values:
            form = word.form if word.form.endswith('%}') else '{:.2g}'
            text += f' ± {form.format(values[f"{key}_std"])}'
        spread = _of_subsets(found) if base == 'kid' else ''
        name = names.get(key, word.name)
        name = _marked(name, net) if word.by_net else name
        table.append(Row(name, text, word.meaning + spread))
    if histogram := values.get('class_histogram'):
        shares = ', '.join(f'{name}:\u00a0{share:.1%}' for name, share in histogram.items())
        table.append(Row(_marked('Read as', net), shares, 'share of all samples'))
    return table


def _of_subsets(found: Mapping[str, Any]) -> str:
    """Explains the `±` of a kernel distance: not its error, but how far the subsets differ."""
    size = distances.kid_subset_size(found['samples'], found['reference']['images'])
    return f'; ± over subsets of {size:,}'


def _shown(word: Word, values: Mapping[str, Any], key: str) -> str:
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
    """The name of a figure by this net, with a star if the run was trained to please it."""
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
    words = scores.SCORES.values()
    rows = [['', '', *(score.name for score in words), 'Edges, F1']]
    forms = [*(score.form for score in words), '{:.3f}']
    if net := _pair_net(found):
        rows[0].append(_marked(net['frechet'], net))
    for split, measured in found['splits'].items():
        label = f'{measured["images"]:,} {SPLITS[split]}'
        for name, values in measured['scores'].items():
            cells = [
                '-' if value is None else form.format(value)
                for form, value in zip(forms, values.values(), strict=True)
            ]
            if net:
                key = f'frechet_{net["suffix"]}'
                shown = name == 'translated' and key in measured
                cells.append(WORDS['frechet'].form.format(measured[key]) if shown else '-')
            rows.append([label, CANDIDATES[name], *cells])
            label = ''
    return rows
