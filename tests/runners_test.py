"""The same step on one device or many, under any runner."""

import functools
import importlib

import jax
import numpy as np
import optax
import pytest

from gan_jax import runners, tasks
from gan_jax.errors import UserError
from gan_jax.states import NetState, Rows
from gan_jax.tasks import semisupervised
from gan_jax.types import DataSpec, Pair
from tests import gans

CASES = {
    # dropout, labels, fresh latents for the generator, a penalty that draws numbers
    'dcgan_mnist': (
        gans.MNIST_SPEC,
        gans.noisy(
            'dcgan_mnist', conditional=True, share_latent=False, **{'penalties.dragan': 1.0}
        ),
    ),
    # batch norm and spectral norm in the discriminator, a loss that pairs real with fake,
    # two discriminator updates
    'mnist_gan': (
        gans.MNIST_SPEC,
        gans.noisy(
            'mnist_gan',
            disc_steps=2,
            augment='translation',
            **{'loss': 'relativistic', 'disc.net.spectral_norm': True, 'penalties.r1': 0.5},
        ),
    ),
    # an augmentation that adapts, averages of logits, a penalty in every second step
    'adaptive': (
        gans.MNIST_SPEC,
        gans.noisy(
            'mlp',
            augment='translation',
            **{'gen.net.hidden': (8,), 'disc.net.hidden': (8,), 'disc.net.dropout': 0.2},
            **{'ada.target': 0.05, 'ada.every': 1, 'ada.images': 32, 'lecam.weight': 0.3},
            **{'lecam.start': 2, 'penalties.r1': 0.5, 'penalty_every': 2},
        ),
    ),
    # heads on a frozen net beside a discriminator of pixels, an augmentation that adapts
    'projected': (
        gans.DCGAN_SPEC,
        gans.projected(**{'ada.target': 0.05, 'ada.every': 1, 'ada.images': 32}),
    ),
    # a classifier: three discriminator updates, pseudo-labels, features matched over devices
    'sgan': (
        gans.MNIST_SPEC,
        gans.noisy(
            'sgan',
            task='semisupervised',
            augment='translation',
            share_latent=False,
            **{f'semisupervised.{name}': 1.0 for name in semisupervised.TERMS},
            **{'semisupervised.separate': True, 'semisupervised.confidence': 0.0},
            **{'disc.ema_decay': 0.9},
        ),
    ),
    # dropout at every place of a map, batch norm, a pair augmented as one
    'pix2pix': (
        DataSpec(image_shape=(64, 128, 3), num_classes=0, num_examples=8, panels=2),
        gans.pix2pix(
            batch_size=4, augment='translation', **{'instance_noise.std': 0.1, 'gen.ema_decay': 0.9}
        ),
    ),
    # instance norm, moments of a frozen net's maps over devices, real and generated maps of D
    'pix2pix_small': (
        DataSpec(image_shape=(64, 128, 3), num_classes=0, num_examples=8, panels=2),
        gans.pix2pix_small(batch_size=4, augment='translation'),
    ),
    # heads that see the input too, by maps that they share with the generator's loss
    'pix2pix_projected': (
        DataSpec(image_shape=(64, 128, 3), num_classes=0, num_examples=8, panels=2),
        gans.pix2pix_projected(batch_size=4),
    ),
    # what is left of a step when only its structure matters
    'plain': (
        gans.MNIST_SPEC,
        gans.config('mlp', **{'gen.net.hidden': (8,), 'disc.net.hidden': (8,)}),
    ),
}


def start(case, axis_name):
    """The step of a recipe with recording optimizers, and its first state."""
    step, init = step_and_init(case, axis_name)
    return step, jax.tree.unflatten(jax.tree.structure(jax.eval_shape(init)), first_leaves(case))


def step_and_init(case, axis_name):
    spec, config = CASES[case]
    task = importlib.import_module(f'gan_jax.tasks.{config.task}')
    recipe = gans.remembering(task.make_recipe(config, spec, axis_name))
    return functools.partial(task.step, recipe), functools.partial(task.init, recipe, spec)


@functools.cache
def first_leaves(case):
    """Computes those of the first state, once for all layouts."""
    _, init = step_and_init(case, None)
    return jax.device_get(jax.tree.leaves(jax.jit(init)()))


def batches(case, steps):
    """Items [1, batches, B, ...] of each step."""
    spec, config = CASES[case]
    for n in range(steps):
        batch = gans.batch(spec, len(tasks.pools(config)), config.batch_size, n)
        yield jax.tree.map(lambda leaf: leaf[None], batch)


def compiled(case, runner_name, num_devices):
    """A call under a runner or on one device, its state, and items -> its last arguments."""
    if not runner_name:
        step, state = start(case, None)

        @jax.jit
        def call(state, data, items):
            state, metrics = step(state, jax.tree.map(lambda x: x[0], items))
            return state, jax.tree.map(lambda leaf: leaf[None], Rows.of(metrics))

        return call, state, lambda items: (items,)
    runner = runners.make(runner_name, num_devices)
    step, state = start(case, runners.AXIS)

    def place(items):
        return runner.place(items), runner.span(0, len(jax.tree.leaves(items)[0]))

    return runner.compile(step, gans.identity_gather), runner.replicate(state), place


def run(case, runner_name, num_devices, steps=5):
    """Host copies of the states after the first and the last step, and of the first metrics."""
    call, state, place = compiled(case, runner_name, num_devices)
    first = None
    for items in batches(case, steps):
        state, rows = call(state, (), *place(items))
        first = first or (jax.device_get(state), rows.fetch(1)[0])
    return first, jax.device_get(state)


@functools.cache
def reference(case):
    """One device, no runner."""
    return run(case, '', 1)


_newest = functools.partial(pytest.param, marks=pytest.mark.newest)
_slow = functools.partial(pytest.param, marks=pytest.mark.slow)
LAYOUTS = [
    # The smallest net with every source of randomness under every runner,
    *(_newest('adaptive', runner, 4) for runner in runners.RUNNERS),
    # and each convolutional net under one.
    _slow('dcgan_mnist', 'shard_map', 4),
    _slow('mnist_gan', 'pmap', 2),
    _slow('projected', 'shard_map', 4),
    _slow('sgan', 'vmap', 2),
    _slow('pix2pix', 'vmap', 4),  # one pair a device
    _slow('pix2pix_small', 'shard_map', 2),
    _slow('pix2pix_projected', 'pmap', 2),
]


@pytest.mark.parametrize(('case', 'runner', 'devices'), LAYOUTS)
def test_one_device_or_many_compute_the_same(case, runner, devices):
    (expected, expected_metrics), expected_last = reference(case)
    (state, metrics), last = run(case, runner, devices)
    for role in ('gen', 'disc'):
        assert_same_gradients(getattr(state.nets, role), getattr(expected.nets, role))
    for name, value in expected_metrics.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-5, atol=1e-5, err_msg=name)
    assert int(last.step) == 5
    for got, want in zip(*(parameters(state) for state in (last, expected_last)), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def assert_same_gradients(got: NetState, want: NetState):
    """Per leaf to 1e-5 of the network's gradient norm; statistics likewise."""
    norm = float(optax.tree.norm(want.opt_state))
    assert norm > 1e-3
    gradients, expected = gans.host(got.opt_state), gans.host(want.opt_state)
    for path, leaf in gradients.items():
        assert np.abs(leaf - expected[path]).max() < 1e-5 * norm, path
    statistics, expected = gans.host(got.batch_stats), gans.host(want.batch_stats)
    for path, leaf in statistics.items():
        np.testing.assert_allclose(leaf, expected[path], rtol=1e-5, atol=1e-5, err_msg=path)


def parameters(state):
    """All that the steps before decide but the optimizers' own, as a list of arrays."""
    params = state.nets.gen.params, state.nets.disc.params
    return jax.tree.leaves((params, state.ema, state.memory))


def test_state_stays_replicated_and_unstacked():
    call, state, place = compiled('plain', 'pmap', 2)
    state, _ = call(state, (), *place(next(batches('plain', 1))))
    for leaf in jax.tree.leaves(state):
        assert leaf.is_fully_replicated and len(leaf.sharding.device_set) == 2
    assert isinstance(state.nets, Pair) and isinstance(state.nets.gen, NetState)


def test_several_steps_in_one_call_are_those_steps_one_by_one():
    case = 'plain'
    call, state, place = compiled(case, 'pmap', 2)
    items = jax.tree.map(lambda *leaves: np.concatenate(leaves), *batches(case, 2))
    state, rows = call(state, (), *place(items))
    _, expected = run(case, 'pmap', 2, steps=2)
    assert len(rows.fetch(2)) == 2
    for got, want in zip(parameters(state), parameters(expected), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ('case', 'runner_name', 'devices'),
    [
        pytest.param('adaptive', 'shard_map', 2, marks=pytest.mark.slow),
        ('plain', 'shard_map', 2),
        ('plain', 'vmap', 2),
        ('plain', 'pmap', 1),
    ],
)
def test_a_loop_makes_the_steps_of_its_span(case, runner_name, devices, monkeypatch):
    """Like an accelerator, any number of the steps that are placed together."""
    monkeypatch.setattr(runners, 'loops', lambda platform: True)
    runner = runners.make(runner_name, devices)
    step, state = start(case, runners.AXIS)
    every = list(batches(case, 4))
    items = jax.tree.map(lambda *leaves: np.concatenate(leaves), *every)
    call = runner.compile(step, gans.identity_gather)
    state, rows = call(runner.replicate(state), (), runner.place(items), runner.span(1, 2))
    expected, losses = call_one_by_one(case, every[1:3])
    assert [row['loss_d'] for row in rows.fetch(2)] == pytest.approx(losses, rel=1e-5)
    for got, want in zip(parameters(state), parameters(expected), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def call_one_by_one(case, every):
    """The state after some items, and the losses, on one device."""
    call, state, place = compiled(case, '', 1)
    losses = []
    for items in every:
        state, rows = call(state, (), *place(items))
        losses.append(rows.fetch(1)[0]['loss_d'])
    return state, losses


def test_no_loop_in_the_program_on_the_cpu():
    """XLA speeds up convolution gradients in the entry computation only."""
    call, state, place = compiled('plain', 'shard_map', 2)
    items = jax.tree.map(lambda *leaves: np.concatenate(leaves), *batches('plain', 2))
    compiled_text = call.lower(state, (), *place(items)).as_text()
    loops = [line for line in compiled_text.splitlines() if 'stablehlo.while' in line]
    # The random number generator has loops of its own, over integers.
    assert not [line for line in loops if 'xf32>' in line]


@pytest.mark.parametrize(
    'case', ['plain', pytest.param('mnist_gan', marks=(pytest.mark.newest, pytest.mark.slow))]
)
def test_the_step_exports_for_accelerators(case):
    call, state, place = compiled(case, 'shard_map', 4)
    exported = jax.export.export(call, platforms=['cuda', 'tpu'])(
        state, (), *place(next(batches(case, 1)))
    )
    assert exported.platforms == ('cuda', 'tpu') and exported.nr_devices == 4


def test_more_devices_than_there_are_is_refused():
    with pytest.raises(UserError, match='config.devices=5: there are 4'):
        runners.count_devices('pmap', 5)
    assert runners.count_devices('vmap', 5) == 5  # simulated
    assert runners.count_devices('shard_map', 0) == 4


def test_what_an_accelerator_makes_of_float32_is_said():
    usual = gans.config('mlp')
    exact, free = (
        gans.config('mlp', matmul_precision='float32'),
        gans.config('mlp', deterministic=False),
    )
    said = [runners.arithmetic(config, 'gpu') for config in (usual, exact, free)]
    assert all(said) and len(set(said)) == 3
    assert runners.arithmetic(usual, 'tpu') != runners.arithmetic(exact, 'tpu')
    assert not any(runners.arithmetic(config, 'cpu') for config in (usual, exact, free))
