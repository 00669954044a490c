"""How far do a few sorted photos go: by a frozen net, by a network of its own, with a GAN?"""

from collections.abc import Callable, Mapping, Sequence
import functools
import hashlib
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict
import numpy as np

from gan_jax import evaluation
from gan_jax.data import decode, duplicates, image_files
from gan_jax.io import files, images
from gan_jax.use import classifying, sorting, suggesting, trained
from studies import frozen_heads, outputs, pictures
from studies.study import Picture, Row, Setting, Stage, Study, Trial

PARENT = 'cats/personal'  # in --data_dir
NUMBERS = (5, 3, 8)  # labels of each cat, in the order they are run
DRAWS = range(5)
NET, SIDE = 'efficientnet_lite0', 224
HELD_OUT = 0.2
MISTAKES = 0.05  # to expect among what is sorted
STEPS = 500  # of a network on pixels
FEATURES, ANSWERS = 'features.npz', 'answers.csv'  # in the study's folder; in a trial's
UNLABELLED = 'unlabelled'
PICTURED = 'linear'  # the arm whose confusions are shown


class Album(NamedTuple):
    """Photos in folders of their classes."""

    names: Sequence[str]  # of the files
    class_names: Sequence[str]  # K
    label: np.ndarray  # int32 [N]
    test: np.ndarray  # bool [N], held out: by content, near duplicates together
    features: np.ndarray  # float32 [N, V, D], of each view by the frozen net

    def chosen(self, number: int, draw: int) -> np.ndarray:
        """The photos with a label, bool [N]: `number` of each class, or all that it has."""
        order = np.random.default_rng(draw).permutation(np.flatnonzero(~self.test))
        found = np.zeros(len(self.label), bool)
        for kind in range(len(self.class_names)):
            found[order[self.label[order] == kind][:number]] = True
        return found


def read_album(setting: Setting, workdir: Path) -> Album:
    """The album with its features, which are computed at the first call, into `workdir`."""
    if setting.smoke:
        return _made_up()
    found = image_files.find(setting.path(PARENT), '--data_dir')
    class_names, label = image_files.classes(found.names)
    path = workdir / FEATURES
    if not path.exists():
        image = np.stack([decode.read_square(found.read(n), SIDE) for n in range(len(found))])
        group = duplicates.groups(duplicates.perceptual_hashes(image))
        content = [np.frombuffer(hashlib.sha256(one.tobytes()).digest(), np.uint8) for one in image]
        test = duplicates.held_out(np.stack(content), group, HELD_OUT)
        files.replace(path, files.arrays(features=_features(image), test=test))
    with np.load(path) as stored:
        return Album(found.names, class_names, label, stored['test'], stored['features'])


def _made_up() -> Album:
    """Features around the mean of each of three classes, for a smoke run."""
    random, label = np.random.default_rng(0), np.arange(60, dtype=np.int32) % 3
    features = 3 * np.eye(3, 8)[label][:, None] + random.normal(size=(60, 2, 8))
    names = [f'{number}.png' for number in range(60)]
    return Album(names, ('a', 'b', 'c'), label, np.arange(60) < 12, features.astype(np.float32))


def _features(image: np.ndarray) -> np.ndarray:
    """Features of four views, float32 [N, 4, D]: whole or cut to seven eighths, and mirrored."""
    from PIL import Image

    edge = SIDE // 16
    net = evaluation.load_net(NET)
    inner = (Image.fromarray(one[edge:-edge, edge:-edge]) for one in image)
    cut = np.stack([decode.fitted(one, (SIDE, SIDE)) for one in inner])
    views = image, image[:, :, ::-1], cut, cut[:, :, ::-1]
    return np.stack([net(view).features for view in views], axis=1)


# Arms on the features: (album, labels int32 [N], -1 for none, draw) -> probabilities [N, K].
Head = Callable[[Album, np.ndarray, int], np.ndarray]


def _nearest(album: Album, label: np.ndarray, draw: int) -> np.ndarray:
    """All on the class of the most similar labelled photo, by the cosine."""
    del draw
    known = np.flatnonzero(label >= 0)
    mean = frozen_heads.standardised(album.features).mean(axis=1)
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    return np.eye(len(album.class_names))[label[known][(mean @ mean[known].T).argmax(axis=1)]]


def _trained(album: Album, label: np.ndarray, draw: int, **changes: float) -> np.ndarray:
    terms = frozen_heads.Terms(**changes)
    features, count = album.features, len(album.class_names)
    return frozen_heads.train(features, label, ~album.test, count, terms, draw)


_linear = functools.partial(_trained, pseudo=0.0, dropout=0.0)

HEADS: Mapping[str, Head] = {
    'nearest': _nearest,
    'linear': _linear,
    'heads': _trained,
    'suggested': _linear,
    'random': _linear,
}
NEXT, FIRST = ('suggested', 'random'), 3  # labels that come after so many of each class
# Arms that are trained by the trainer: the preset of sgan_folder, what is changed, and draws.
RUNS: Mapping[str, tuple[str, Mapping[str, Any], Sequence[int]]] = {
    'supervised': ('supervised', {'steps': STEPS}, DRAWS),
    'gan': ('', {}, (0,)),
    'heads_gan': ('heads', {}, (0,)),
}
MINUTES = {'supervised': 2, 'gan': 30, 'heads_gan': 30}


def _labels(album: Album, arm: str, number: int, draw: int) -> np.ndarray:
    """The labels that an arm trains on, int32 [N], -1 for none.

    Those of NEXT have as many as the others, of which all but the first are not the same number of
    each class, which nobody could choose: as many are taken at a time as there are classes.
    """
    label = np.where(album.chosen(FIRST if arm in NEXT else number, draw), album.label, -1)
    while (more := album.chosen(number, draw).sum() - (label >= 0).sum()) > 0:
        open_ = np.flatnonzero((label < 0) & ~album.test)
        count = min(more, len(album.class_names))
        if arm == 'suggested':
            shares, features = _linear(album, label, draw), album.features.mean(axis=1)
            found = suggesting.choose(shares[open_], features[open_], count)
        else:
            found = list(np.random.default_rng(draw).permutation(len(open_))[:count])
        label[open_[found]] = album.label[open_[found]]
    return label


def trials(setting: Setting) -> list[Trial]:
    """All heads of each draw, then what is trained on images; with `smoke` each kind once."""
    if setting.smoke:
        return [_frozen(setting, 0), _run(setting, 'supervised', 0)]
    runs = [_run(setting, name, draw) for name, (*_, draws) in RUNS.items() for draw in draws]
    return [_frozen(setting, draw) for draw in DRAWS] + runs


def _frozen(setting: Setting, draw: int) -> Trial:
    measure = functools.partial(_measure_heads, setting, draw)
    return Trial(f'frozen-{draw}', 1, (), measure, kept=(ANSWERS,))


def _run(setting: Setting, name: str, draw: int) -> Trial:
    key = {'num_labels': NUMBERS[0], 'arm': name, 'draw': draw}
    stage = Stage('run', functools.partial(_config, setting, key))
    measure = functools.partial(_measure_run, setting, key)
    return Trial(f'{name}-{draw}', MINUTES[name], (stage,), measure)


def _config(setting: Setting, key: Row, folder: Path) -> ConfigDict:
    """A preset of `sgan_folder` on an album of which the draw is sorted."""
    preset, changes, _ = RUNS[key['arm']]
    own = {'seed': key['draw'], 'keep': 1, 'evaluate.balance': 0, **changes}
    config = setting.config(f'sgan_folder:{preset}' if preset else 'sgan_folder', PARENT, **own)
    if not setting.smoke:
        album = read_album(setting, folder.parent)
        config.data.path = str(_sorted_album(setting, album, key, folder / 'album'))
    return config


def _sorted_album(setting: Setting, album: Album, key: Row, target: Path) -> Path:
    """A folder of links: what has a label in the folder of its class, the rest beside them."""
    known = album.chosen(key['num_labels'], key['draw'])
    for name, labelled, test in zip(album.names, known, album.test, strict=True):
        place = target / (name if labelled else f'{UNLABELLED}/{name}')
        if not test and not place.is_symlink():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(setting.path(PARENT).resolve() / name)
    return target


def _measure_run(setting: Setting, key: Row, folder: Path) -> list[Row]:
    run = trained.load(folder / 'run')
    if setting.smoke:
        image, label = classifying.labelled_split(run, 'train').arrays()
        return [_row(key, classifying.Classifier(run)(image), label)]
    album = read_album(setting, folder.parent)
    found = image_files.find(setting.path(PARENT))
    test = np.flatnonzero(album.test)
    side = run.image_shape[0]
    image = np.stack([decode.read_square(found.read(int(n)), side) for n in test])
    return [_row(key, classifying.Classifier(run)(image), album.label[test])]


def _measure_heads(setting: Setting, draw: int, folder: Path) -> list[Row]:
    album = read_album(setting, folder.parent)
    rows, truth = [], album.label[album.test]
    for number in NUMBERS:
        for arm, head in HEADS.items():
            if arm in NEXT and number != NUMBERS[0]:
                continue
            label = _labels(album, arm, number, draw)
            shares = head(album, label, draw)[album.test]
            rows.append(_row({'num_labels': number, 'arm': arm, 'draw': draw}, shares, truth))
            if arm in ('linear', 'heads'):
                rows[-1] |= _promise(album, label, head, draw)
            if (arm, number) == (PICTURED, NUMBERS[0]):
                pairs = zip(truth, shares.argmax(axis=1), strict=True)
                files.replace(folder / ANSWERS, files.table(('label', 'guess'), pairs))
    return rows


def _row(key: Row, shares: np.ndarray, label: np.ndarray) -> Row:
    nothing = dict.fromkeys(('sorted', 'promised', 'made'))
    return {**key, 'test_accuracy': float((shares.argmax(axis=1) == label).mean()), **nothing}


def _promise(album: Album, label: np.ndarray, head: Head, draw: int) -> Row:
    """Measures what is sorted, as by `gan-jax classify`, with a label of each class kept for it."""
    kept = [np.flatnonzero(label == kind)[0] for kind in range(len(album.class_names))]
    seen = label.copy()
    seen[kept] = -1
    shares = head(album, seen, draw)
    value = sorting.temperature(shares[kept], label[kept])
    test = sorting.at_temperature(shares[album.test], value)
    sure = sorting.sure(test.max(axis=1), MISTAKES)
    if not sure.any():
        return {'sorted': 0.0}
    wrong = test.argmax(axis=1) != album.label[album.test]
    promised = float((1 - test.max(axis=1))[sure].mean())
    return {'sorted': float(sure.mean()), 'promised': promised, 'made': float(wrong[sure].mean())}


def _groups(rows: Sequence[Row]) -> dict[tuple[str, int], list[Row]]:
    found: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        found.setdefault((row['arm'], row['num_labels']), []).append(row)
    return found


def summary(rows: Sequence[Row]) -> str:
    """Mean and deviation over draws, in percent."""

    def percent(group: Sequence[Row], column: str) -> str:
        values = [100 * row[column] for row in group if row[column] is not None]
        if not values:
            return ''
        mean, deviation = outputs.spread(values)
        return f'{mean:.1f} ± {deviation:.1f}' if len(values) > 1 else f'{mean:.1f}'

    columns = 'test_accuracy', 'sorted', 'promised', 'made'
    lines = [
        [f'`{arm}`', str(number), str(len(group)), *(percent(group, c) for c in columns)]
        for (arm, number), group in sorted(_groups(rows).items(), key=lambda item: item[0][::-1])
    ]
    shares = 'accuracy, %', 'sorted, %', 'promised mistakes, %', 'made, %'
    return outputs.markdown_table(['arm', 'labels a cat', 'draws', *shares], lines)


def chart(rows: Sequence[Row], workdir: Path) -> bytes:
    """PNG: accuracies as bars."""
    del workdir
    found = {
        key: outputs.spread([row['test_accuracy'] for row in group])
        for key, group in _groups(rows).items()
    }
    numbers = sorted({number for _, number in found})
    arms = [arm for arm in (*HEADS, *RUNS) if any(name == arm for name, _ in found)]
    series = {arm: [found.get((arm, number)) for number in numbers] for arm in arms}
    page = pictures.figure(8, 3.6)
    axes = page.subplots()
    pictures.bars(axes, [f'{number} labels a cat' for number in numbers], series)
    axes.set_title('Accuracy on held-out photos of 23 cats, %', loc='left', fontsize=10)
    axes.set_ylim(0, 112)
    axes.set_yticks(range(0, 101, 20))
    axes.legend(fontsize=8, frameon=False, ncols=len(series), loc='upper left')
    return images.drawn(page)


def confusion(rows: Sequence[Row], workdir: Path) -> bytes:
    """PNG: which cat is taken for which, of all draws together."""
    tables = (workdir / f'frozen-{row["draw"]}' / ANSWERS for row in rows)
    pairs = [np.loadtxt(path, int, delimiter=',', skiprows=1, ndmin=2) for path in tables]
    label, guess = np.concatenate(pairs).T
    count = max(label.max(), guess.max()) + 1
    matrix = np.zeros((count, count))
    np.add.at(matrix, (label, guess), 1)
    page = pictures.figure(5, 4.6)
    axes = page.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap='Blues', vmin=0, vmax=1)
    axes.set_xlabel('taken for cat')
    axes.set_ylabel('cat')
    axes.set_title(f'{PICTURED}, {NUMBERS[0]} labels a cat', loc='left', fontsize=10)
    return images.drawn(page)


ABOUT = f"""
396 photos of 23 cats by their owners (gpriamo/Cat-Faces-Identification, MIT). A fifth is held out
by content, near duplicates on one side. Of each cat a draw has so many labelled photos, or all that
it has; the others are there without a label. Accuracy is of the held-out photos.

All arms but `supervised` and `gan` look through one frozen net (EfficientNet-Lite0 of ImageNet, 224
pixels, four views of each photo); those without GAN never train anything else.

- `nearest`: the most similar labelled photo. `linear`: a linear probe of the labelled photos.
- `heads`: the same head, with pseudo-labels of the photos without a label by a moving average of
  it, those it is surest of in each class, and consistency of views and of dropout.
- `suggested`: as `linear`, with {FIRST} labels a cat, and the others where `gan-jax classify
  --suggest` says, 23 at a time. `random`: these others at random. Nobody can choose as many of each
  cat before he has looked at all photos, as the other arms have.
- `supervised`: a network on pixels at 64x64, on the labelled photos alone, {STEPS} steps.
- `gan`: `sgan_folder`; `heads_gan`: its preset heads.

`sorted`, `promised` and `made`: a label of each cat is kept from training, the held-out photos are
sorted with at most {MISTAKES:.0%} of mistakes to expect, and those made are counted. The weight
decay and the terms of `heads` were chosen on photos without a label that are not held out.
"""

STUDY = Study(
    name='few_labels',
    title='How far a few sorted photos go',
    about=ABOUT,
    folders=(PARENT,),
    columns=(
        ('num_labels', 'arm', 'draw', 'test_accuracy', 'sorted', 'promised', 'made') + ('minutes',)
    ),
    trials=trials,
    summary=summary,
    pictures={
        'accuracy.png': Picture(chart),
        'confusion.png': Picture(
            confusion,
            lambda row: (row['arm'], row['num_labels']) == (PICTURED, NUMBERS[0]),
            lambda trial: trial.kept,
        ),
    },
)
