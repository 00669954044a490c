"""Photos to label next: unsure ones, each of another kind."""

import numpy as np
from PIL import Image

from gan_jax import cli, data
from gan_jax.use import suggesting
from tests.cli.commands_test import fails
from tests.use import classifying_test

run = classifying_test.run


def confident(*confidence):
    """Probabilities of two classes."""
    return np.array([[value, 1 - value] for value in confidence])


def test_of_photos_of_equally_different_kinds_the_least_sure_come_first():
    found = suggesting.choose(confident(0.9, 0.55, 0.99, 0.7), np.eye(4), 4)
    assert found == [1, 3, 0, 2]


def test_a_photo_like_one_that_was_chosen_comes_after_one_of_another_kind():
    features = np.array([[1, 0, 0], [1, 0.01, 0], [0, 1, 0], [0, 0, 1]])
    found = suggesting.choose(confident(0.55, 0.56, 0.6, 0.999), features, 2)
    assert found == [0, 2]


def test_each_photo_is_chosen_once_and_no_more_than_there_are():
    random = np.random.default_rng(0)
    probability = random.dirichlet(np.ones(3), 20)
    found = suggesting.choose(probability, random.normal(size=(20, 5)), 30)
    assert sorted(found) == [*range(20)]
    assert suggesting.choose(probability[:1], np.ones((1, 5)), 3) == [0]


def test_the_command_names_photos_that_nobody_has_sorted(run, tmp_path, capsys):
    for number, image in enumerate(data.load(classifying_test.tiny().data).arrays().image[:8]):
        folder = tmp_path / ('3' if number < 4 else 'more')
        folder.mkdir(exist_ok=True)
        Image.fromarray(image[..., 0]).save(folder / f'{number}.png')
    argv = ['classify', f'--workdir={run}', f'--input={tmp_path}']
    assert cli.main([*argv, '--suggest=3']) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert len({*names}) == 3 and {*names} <= {f'more/{number}.png' for number in range(4, 8)}
    assert '--suggest' in fails(capsys, *argv, '--suggest=3', f'--output={tmp_path}/new')
