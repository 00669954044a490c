"""Pictures found again in the latents, and the way between two of them."""

import numpy as np
from PIL import Image
import pytest

from gan_jax import api, cli
from gan_jax.errors import UserError
from gan_jax.use import projecting
from tests import gans
from tests.cli import evaluate_test
from tests.cli.commands_test import fails

workdir = evaluate_test.run  # with classes


@pytest.fixture(scope='module')
def run(workdir):
    return api.load(workdir)


@pytest.fixture(scope='module')
def projector(run):
    return projecting.Projector(run.trained)


@pytest.fixture(scope='module')
def projected(workdir, run, tmp_path_factory):
    """Two samples as photos, and what the command leaves of them."""
    home = tmp_path_factory.mktemp('photos')
    (home / 'in').mkdir()
    for name, image in zip('ab', run.sample(2, seed=7), strict=True):
        Image.fromarray(np.asarray(image)[..., 0]).save(home / 'in' / f'{name}.png')
    flags = [f'--workdir={workdir}', f'--input={home / "in"}', f'--output={home / "out"}']
    assert cli.main(['project', *flags]) == 0
    return home / 'out'


def test_a_generated_picture_is_found_again(run, projector):
    image = run.sample(3, seed=5)[2]
    found = projector(image)
    assert found.l1 < 0.03
    made = run.generate(found.latent[None], found.label)[0]
    np.testing.assert_array_equal(made, found.image)
    assert found.l1 == pytest.approx(np.abs(made / 255 - image / 255.0).mean(), abs=0.003)


def test_a_latent_stays_as_probable_as_those_that_are_drawn(run, projector):
    noise = np.random.default_rng(0).integers(0, 256, run.image_shape, np.uint8)
    drawn = run.latents(projecting.DRAWS, seed=0)
    longest = np.linalg.norm(drawn, axis=1).max()
    assert np.linalg.norm(projector(noise).latent) <= longest * (1 + 1e-4)


def test_the_maps_of_a_frozen_net_are_compared_where_one_is_asked_for(run):
    projector = projecting.Projector(run.trained, 'tiny')
    own = run.sample(1, seed=5)[0]
    assert 0 < projector(own).features < projector(255 - own).features
    with pytest.raises(UserError, match='--features=tini: did you mean'):
        projecting.Projector(run.trained, 'tini')


def test_the_command_leaves_latents_a_pair_of_pictures_and_a_table(projected, run):
    assert sorted(path.name for path in projected.iterdir()) == [
        'a.npz', 'a.png', 'b.npz', 'b.png', 'projections.csv',
    ]  # fmt: skip
    with np.load(projected / 'a.npz') as arrays:
        made = run.generate(arrays['latent'], arrays['label'])
        np.testing.assert_array_equal(made, arrays['image'])
    height, width, _ = run.image_shape
    with Image.open(projected / 'a.png') as pair:
        assert pair.size == (2 * width + 6, height + 4)


def test_a_walk_leads_from_one_to_the_other_and_back(projected, workdir, tmp_path):
    files = f'--latents={projected / "a.npz"},{projected / "b.npz"}'
    base = ['sample', f'--workdir={workdir}', files]
    assert cli.main([*base, f'--output={tmp_path / "walk.gif"}', '--walk=6']) == 0
    with Image.open(tmp_path / 'walk.gif') as walk:
        assert walk.n_frames > 1
    assert cli.main([*base, f'--output={tmp_path / "both"}']) == 0
    for name, path in zip('ab', sorted((tmp_path / 'both').iterdir()), strict=True):
        with np.load(projected / f'{name}.npz') as arrays, Image.open(path) as made:
            np.testing.assert_array_equal(np.asarray(made), arrays['image'][0, ..., 0])


def test_nearer_counts_pairs():
    assert projecting.nearer([1, 2], [3, 4]) == 1
    assert projecting.nearer([1, 3], [3, 2]) == pytest.approx((1 + 1 + 0.5 + 0) / 4)


def test_bad_input_is_one_line(workdir, projected, tmp_path, capsys):
    project = ['project', f'--workdir={workdir}', f'--output={tmp_path / "out"}']
    sample = ['sample', f'--workdir={workdir}', f'--output={tmp_path / "x.png"}']
    other, own = tmp_path / 'other.npz', f'--latents={projected / "a.npz"}'
    np.savez(other, latent=gans.normal(0, 1, 3), label=np.zeros(1, np.int32))
    cases = [
        (project, '--compare=20, and not both'),
        ([*project, '--compare=2'], '--compare=2: the run has held no images out'),
        ([*project, f'--input={tmp_path / "no"}'], '--input='),
        ([*sample, f'--latents={other}'], 'no latent of 8 entries'),
        ([*sample, f'--latents={tmp_path / "none.npz"}'], 'no .npz file of gan-jax project'),
        ([*sample, own, '--pick=1'], '--pick is of samples'),
        ([*sample, own, f'--output={tmp_path / "x.gif"}'], 'needs two files'),
    ]
    for words, message in cases:
        assert message in fails(capsys, *words)
    assert {path.name for path in tmp_path.iterdir()} == {'other.npz'}
