"""A trained classifier in use: calibration, files, the command, and that no label leaks."""

import csv
import dataclasses
import json
import os
import shutil
from types import SimpleNamespace

import numpy as np
from PIL import Image
import pytest

from gan_jax import cli, data
from gan_jax.data import classes, image_files, label_subsets
from gan_jax.errors import UserError
from gan_jax.use import classifying, trained
from tests import gans, trainer_test
from tests.cli.commands_test import fails
from tests.data import photos


def tiny(**changes):
    """A semi-supervised run on few digits, in a fraction of a second a step."""
    config = gans.config('mlp', 'sgan_brownlee', task='semisupervised')
    config.update_from_flattened_dict(
        {
            'gen.net.hidden': (8,),
            'disc.net.levels': 1,
            'disc.ema_decay': 0.5,
            'semisupervised.pseudo': 1.0,
            'semisupervised.confidence': 0.2,
            'data.num_examples': 100,
            'data.labels.number': 30,
            'data.labels.validation': 10,
            **trainer_test.SHORT,
            **changes,
        }
    )
    return config


@pytest.fixture(scope='module')
def run(train_once, tmp_path_factory):
    """A run that was never interrupted."""
    return train_once(tiny(), tmp_path_factory.mktemp('classifier') / 'run')


def test_calibration_of_a_classifier_that_knows_how_sure_it_is():
    """200 answers at 0.75 of which 150 are right, 100 at 1.0 that are all right: no error."""
    probability = np.array([[0.75, 0.25]] * 200 + [[0.0, 1.0]] * 100)
    label = np.array([0] * 150 + [1] * 150)
    found = classifying.calibrate(probability, label)
    assert found.error == 0 and found.count.sum() == 300
    assert found.count[7] == 200 and found.accuracy[7] == 0.75 and found.accuracy[9] == 1


def test_each_attribute_is_told_right_or_not(monkeypatch):
    answers = np.eye(4)[[0, 1, 3, 2]], np.arange(4)
    monkeypatch.setattr(classifying, 'of_labelled', lambda run, dataset: answers)
    names = ('a', 'b')
    dataset = SimpleNamespace(
        name='folder', split='test', fingerprint='', class_names=classes.combinations(names),
        attributes=names,
    )  # fmt: skip
    run = SimpleNamespace(state=SimpleNamespace(step=1))
    found = classifying.evaluate(run, dataset)
    assert found['attributes'] == {'a': 1.0, 'b': 0.5} and found['accuracy'] == 0.5


def test_calibration_error_is_the_mean_gap_over_images():
    """Always sure at 0.9, right in 3 of 4, and at 0.6, never right: (4 * .15 + 1 * .6) / 5."""
    probability = np.array([[0.9, 0.1]] * 4 + [[0.6, 0.4]])
    found = classifying.calibrate(probability, np.array([0, 0, 0, 1, 1]))
    np.testing.assert_allclose(found.error, (4 * 0.15 + 0.6) / 5)


@pytest.mark.newest
def test_resumed_equals_uninterrupted(run, tmp_path):
    workdir = tmp_path / 'resumed'
    shutil.copytree(run, workdir)
    shutil.rmtree(workdir / 'checkpoints' / '4')
    trainer_test.train(tiny(), workdir)
    assert trainer_test.digest(workdir) == trainer_test.digest(run)
    assert trainer_test.lines(workdir) == trainer_test.lines(run)


def test_files_are_classified_as_their_pixels_are(run, tmp_path, capsys):
    loaded = trained.load(run)
    images = data.load(tiny().data).arrays().image[:3]
    folder = tmp_path / 'digits' / 'more'
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(folder.parent / f'{number}.png')
    Image.fromarray(images[0, ..., 0]).convert('RGB').save(folder / 'colour.png')
    (folder / 'broken.jpg').write_bytes(b'\xff\xd8 no image')
    output = tmp_path / 'out' / 'classes.csv'
    flags = [f'--workdir={run}', f'--input={folder.parent}']
    assert cli.main(['classify', *flags, f'--output={output}']) == 0
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith('unreadable: more/broken.jpg: ')
    rows = list(csv.DictReader(output.read_text().splitlines()))
    assert [row['file'] for row in rows] == ['0.png', '1.png', '2.png', 'more/colour.png']
    probability = classifying.Classifier(loaded)(images[[0, 1, 2, 0]])
    assert [row['class'] for row in rows] == [str(n) for n in probability.argmax(1)]
    confidence = [float(row['confidence']) for row in rows]
    np.testing.assert_allclose(confidence, probability.max(1), atol=1e-4)
    assert cli.main(['classify', f'--workdir={run}', f'--input={folder.parent}/1.png']) == 0
    assert capsys.readouterr().out == f'1.png  {rows[1]["class"]}  {confidence[1]:.1%}\n'


def test_negatives_and_photos_are_noticed_and_turned_if_asked_for(run, tmp_path, capsys):
    images = data.load(tiny().data).arrays().image[:8, ..., 0]
    for name, pixels in (('positive', images), ('negative', 255 - images)):
        (tmp_path / name).mkdir()
        for number, image in enumerate(pixels):
            Image.fromarray(image).save(tmp_path / name / f'{number}.png')
    photos.album(tmp_path / 'photos', 3)

    def classes(name, *flags):
        assert cli.main(['classify', f'--workdir={run}', f'--input={tmp_path}/{name}', *flags]) == 0
        return capsys.readouterr()

    right = classes('positive')
    assert not right.err
    assert 'warning: 8 of 8 images, such as 0.png, look like negatives' in classes('negative').err
    turned = classes('negative', '--invert=auto')
    assert turned.out == right.out and turned.err.startswith('turned 8 of 8 images')
    assert classes('positive', '--invert=auto').out == right.out
    assert 'warning: 3 of 3 images, such as 000.jpg, look unlike' in classes('photos').err


def test_negatives_cannot_be_told_by_a_run_that_did_not_note_its_look(run, tmp_path):
    photos.album(tmp_path, 1)
    old = trained.load(run)._replace(look=None)
    [(_, answer)] = classifying.classify_files(old, image_files.find(tmp_path))
    assert answer.look == ''
    with pytest.raises(UserError, match='--invert=auto: '):
        list(classifying.classify_files(old, image_files.find(tmp_path), turn=True))


def test_more_files_than_are_read_ahead(run, tmp_path, monkeypatch):
    """While answers are given, other threads still read."""
    monkeypatch.setattr(classifying, 'CHUNK', 2)
    count = 3 * 4 * (os.cpu_count() or 1)
    images = data.load(tiny().data).arrays().image[:count]
    for number, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(tmp_path / f'{number:03}.png')
    loaded = trained.load(run)
    found = list(classifying.classify_files(loaded, image_files.find(tmp_path)))
    assert [name for name, _ in found] == [f'{number:03}.png' for number in range(len(images))]
    probability = classifying.Classifier(loaded)(images)
    assert [answer.name for _, answer in found] == [str(n) for n in probability.argmax(1)]


def test_a_split_without_labels_is_one_line(run):
    loaded = trained.load(run)
    dataset = classifying.labelled_split(loaded, 'train')
    none = np.full(dataset.spec.num_examples, -1, np.int32)
    source = label_subsets.Shown(dataset.source, none, np.arange(len(none)))
    with pytest.raises(UserError, match=r'--split=train: none of its 5000 images has a label'):
        classifying.evaluate(loaded, dataclasses.replace(dataset, source=source))


def test_a_split_is_evaluated_into_the_report(run, capsys):
    assert cli.main(['classify', f'--workdir={run}', '--split=train']) == 0
    assert 'images             5,000 of mnist5k, split train\n' in capsys.readouterr().out
    found = json.loads((run / 'classification.json').read_text())
    assert found['step'] == 4 and found['classes'].keys() == set('0123456789')
    assert 0 <= found['accuracy'] <= 1 and found['data']['images'] == 5000
    assert sum(entry['count'] for entry in found['calibration']) == 5000
    page = (run / 'report.html').read_text()
    assert '<section id="classifier">' in page and f'{found["accuracy"]:.2%}' in page
    assert cli.main(['classify', f'--workdir={run}', '--split=validation']) == 0
    assert json.loads((run / 'classification.json').read_text())['data']['images'] == 10


MISTAKES = {
    'nothing asked': ([], 'classify needs --input=FILE_OR_DIR or --split=test, one of them'),
    'both asked': (['--input=x', '--split=test'], 'one of them'),
    'no such file': (['--input=none.png'], '--input=none.png cannot be opened'),
    'no such split': (['--split=test'], "--split='test' is not in mnist5k"),
    'table of a split': (['--split=test', '--output=a.csv'], '--output=a.csv is of --input'),
    'suffix': (['--input=x', '--output=a.txt'], '--output=a.txt: must end with .csv'),
}


@pytest.mark.parametrize('flags, message', MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(flags, message, run, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in fails(capsys, 'classify', f'--workdir={run}', *flags)


def test_nothing_readable_is_one_line(run, capsys, tmp_path):
    (tmp_path / 'a.png').write_bytes(b'nothing')
    flags = [f'--workdir={run}', f'--input={tmp_path}']
    assert cli.main(['classify', *flags]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith('unreadable: a.png') and 'no image in it can be read' in lines[-1]
