"""PyTorch's side does the same work as ours, or refuses."""

import importlib.util
import math

import jax
import numpy as np
import pytest

from gan_jax import data, experiments, tasks
from gan_jax.benchmarking import peers
from gan_jax.errors import UserError
from tests import gans


@pytest.fixture(scope='module')
def torch_peer():
    pytest.importorskip('torch', reason='torch is not installed')
    spec = importlib.util.spec_from_file_location('torch_peer', peers.PEERS['torch'].path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_peer_that_is_not_installed_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(UserError, match=r'--peer=torch: it is not installed; pip install'):
        peers.find('torch')


def test_an_unknown_peer_is_refused():
    with pytest.raises(UserError, match='--peer=tensorflow: choose from plain, torch'):
        peers.find('tensorflow')


@pytest.mark.parametrize(
    'name', ['dcgan64', 'dcgan_mnist', 'gan_mnist', 'fc_gan_mnist', 'wgan_gp_mnist']
)
def test_both_sides_have_the_same_parameters(name, torch_peer):
    config = experiments.load(name)
    spec = data.entry(config.data).spec(config.data)
    state = jax.eval_shape(tasks.make(config, spec, axis_name=None).init)
    ours = [sum(math.prod(p.shape) for p in jax.tree.leaves(net.params)) for net in state.nets]
    theirs = torch_peer.nets(config.to_dict(), spec.image_shape)
    assert [sum(p.numel() for p in net.parameters()) for net in theirs] == ours


@pytest.mark.parametrize('variant', ['eager', 'channels_last'])
def test_its_step_moves_both_networks(variant, torch_peer):
    config = gans.config('dcgan_mnist', batch_size=4).to_dict()
    images = np.random.default_rng(0).integers(0, 256, (8, 28, 28, 1), np.uint8)
    trainer = torch_peer.Trainer(config, images, variant)
    weights = [p for net in (trainer._gen, trainer._disc) for p in net.parameters()]
    before = [p.detach().clone() for p in weights]
    trainer.step()
    assert all((p != old).any() for p, old in zip(weights, before, strict=True))


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
def test_work_that_it_would_not_do_is_refused(changes, torch_peer):
    config = gans.config('dcgan_mnist', **changes).to_dict()
    images = np.zeros((8, 28, 28, 1), np.uint8)
    with pytest.raises(torch_peer.Unsupported, match=next(iter(changes)).partition('.')[0]):
        torch_peer.Trainer(config, images, 'eager')
