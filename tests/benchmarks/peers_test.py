"""PyTorch's side does the same work as ours, or refuses."""

import importlib
import importlib.util
import math

import jax
import numpy as np
import pytest

from benchmarks import peers
from gan_jax import augment, data, tasks
from gan_jax.config import experiments
from gan_jax.errors import UserError
from tests import gans


@pytest.fixture(scope='module')
def torch_tasks():
    pytest.importorskip('torch', reason='torch is not installed')
    with pytest.MonkeyPatch.context() as patch:
        # As for a program that is run, its neighbours can be imported.
        patch.syspath_prepend(peers.PEERS['torch'].path.parent)
        yield importlib.import_module('torch_tasks')


def test_a_peer_that_is_not_installed_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(UserError, match=r'--peer=torch: it is not installed; pip install'):
        peers.find('torch')


def test_an_unknown_peer_is_refused():
    with pytest.raises(UserError, match='--peer=tensorflow: choose from plain, torch'):
        peers.find('tensorflow')


@pytest.mark.parametrize(
    'name',
    ['dcgan64', 'dcgan_mnist', 'gan_mnist', 'fc_gan_mnist', 'wgan_gp_mnist', 'pix2pix_grey:paper']
    + ['sgan_mnist', 'sgan_mnist:book', 'sgan_mnist:brownlee'],
)
def test_both_sides_have_the_same_parameters(name, torch_tasks):
    config = experiments.load(name)
    spec = data.entry(config.data).spec(config.data)
    state = jax.eval_shape(tasks.make(config, spec, axis_name=None).init)
    ours = [sum(math.prod(p.shape) for p in jax.tree.leaves(net.params)) for net in state.nets]
    height, width, channels = spec.image_shape
    theirs = torch_tasks.nets(config.to_dict(), (height, width // spec.panels, channels))
    assert [sum(p.numel() for p in net.parameters()) for net in theirs] == ours


def test_batches_on_a_gpu_are_crops_and_mirror_images_of_pairs(torch_tasks):
    torch, torch_cuda = (importlib.import_module(name) for name in ('torch', 'torch_cuda'))
    config = gans.pix2pix(**{'data.jitter': 2, 'data.flip': True}, batch_size=64)
    stored = np.random.default_rng(0).integers(0, 256, (3, 66, 132, 3), np.uint8)
    kind = torch_cuda.on_gpu(torch_tasks.TRAINERS['translation'])
    batch = kind(config.to_dict(), stored, 'eager')._batch()
    assert batch.shape == (64, 6, 64, 64)
    found = torch.round((batch + 1) * 127.5).permute(0, 2, 3, 1).numpy().astype(np.uint8)
    panels = np.concatenate(np.split(stored, 2, axis=2), axis=3)
    views = {
        view.tobytes()
        for image in panels
        for top in range(3)
        for left in range(3)
        for crop in [image[top : top + 64, left : left + 64]]
        for view in (crop, crop[:, ::-1])
    }
    assert {image.tobytes() for image in found} <= views
    assert len({image.tobytes() for image in found}) > 20


CASES = {
    'adversarial': (gans.config('dcgan_mnist', batch_size=4), (28, 28, 1)),
    'pix2pix': (gans.pix2pix(**{'data.jitter': 2, 'data.flip': True}), (66, 132, 3)),
    'book': (
        gans.config(
            'sgan',
            task='semisupervised',
            share_latent=False,
            **{'semisupervised.separate': True, 'semisupervised.unlabelled': 'rest'},
        ),
        (28, 28, 1),
    ),
    'best': (
        gans.config(
            'sgan_brownlee',
            task='semisupervised',
            augment='affine',
            **{'gen.ema_decay': 0.9, 'disc.ema_decay': 0.9, 'semisupervised.pseudo': 1.0},
            **{'semisupervised.matching': 1.0, 'semisupervised.non_saturating': 0.0},
            **{'semisupervised.confidence': 0.0},
        ),
        (28, 28, 1),
    ),
}


@pytest.mark.parametrize('variant', ['eager', 'channels_last'])
@pytest.mark.parametrize('config, shape', CASES.values(), ids=CASES)
def test_its_step_moves_both_networks(config, shape, variant, torch_tasks):
    images = np.random.default_rng(0).integers(0, 256, (8, *shape), np.uint8)
    trainer = torch_tasks.make(config.to_dict(), images, variant)
    weights = [p for net in (trainer._gen, trainer._disc) for p in net.parameters()]
    before = [p.detach().clone() for p in weights]
    trainer.step()
    assert all((p != old).any() for p, old in zip(weights, before, strict=True))


def test_its_affine_map_is_ours(torch_tasks, monkeypatch):
    """With one set of random numbers; rows and columns are not exchanged."""
    torch = pytest.importorskip('torch')
    image = np.random.default_rng(0).uniform(-1, 1, (2, 20, 20, 1)).astype(np.float32)
    key = jax.random.split(jax.random.key(0), 2)
    drawn = np.stack([np.asarray(jax.random.uniform(k, (6,))) for k in key], axis=1)
    monkeypatch.setattr(torch, 'rand', lambda *shape: torch.tensor(drawn))
    theirs = torch_tasks.affine(torch.tensor(image).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    np.testing.assert_allclose(theirs.numpy(), augment.affine(image, key), atol=0.15)


@pytest.mark.parametrize(
    'changes',
    [
        {'augment': 'color'},
        {'loss': 'hinge'},
        {'penalties.r1': 1.0},
        {'disc.net.spectral_norm': True},
        {'gen.ema_decay': 0.9},
        {'conditional': True},
    ],
)
def test_work_that_it_would_not_do_is_refused(changes, torch_tasks):
    config = gans.config('dcgan_mnist', **changes).to_dict()
    images = np.zeros((8, 28, 28, 1), np.uint8)
    with pytest.raises(torch_tasks.Unsupported, match=next(iter(changes)).partition('.')[0]):
        torch_tasks.make(config, images, 'eager')
