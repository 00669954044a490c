"""Exported networks: for every task and platform, any batch, and compared when loaded."""

import functools
import json

import jax
import numpy as np
import pytest
import safetensors.numpy

from gan_jax import cli, data, rng, tasks
from gan_jax.config import experiments
from gan_jax.errors import UserError
from gan_jax.tasks import latents
from gan_jax.use import exporting, trained
from tests.cli import commands_test
from tests.cli.commands_test import fails
from tests.use import classifying_test

# Its generator takes classes, and has an average, and means of latents.
conditional = commands_test.run


@pytest.fixture(scope='module')
def exported(conditional, tmp_path_factory):
    path = tmp_path_factory.mktemp('exported') / 'net.bin'
    assert cli.main(['export', f'--workdir={conditional}', f'--output={path}']) == 0
    return path


@pytest.mark.newest
def test_the_artefact_alone_makes_images_of_any_batch(exported, conditional):
    program = jax.export.deserialize(bytearray(exported.read_bytes()))
    assert program.platforms == ('cpu', 'cuda', 'tpu')
    run = trained.load(conditional)
    seed, label = np.arange(5, dtype=np.uint32), np.arange(5, dtype=np.int32)
    latent = latents.make(run.config, run.config.data.num_examples)
    z = jax.jit(lambda seed: latent(jax.vmap(jax.random.key)(seed)))(seed)
    wanted = run.task.sampler.generate(run.state, z, label)
    np.testing.assert_allclose(255 * program.call(seed, label), wanted, atol=0.51)
    np.testing.assert_allclose(255 * program.call(seed[:2], label[:2]), wanted[:2], atol=0.51)


def test_weights_are_those_of_the_average_by_path(exported, conditional):
    weights = safetensors.numpy.load_file(f'{exported}.safetensors')
    average = trained.load(conditional).state.ema.gen
    weights.pop(exporting.MEANS)
    assert weights.keys() == exporting.digests.host_leaves(average).keys()
    for path, leaf in exporting.digests.host_leaves(average).items():
        np.testing.assert_array_equal(weights[path], leaf)


def test_latents_can_be_drawn_by_the_files_alone(exported, conditional):
    centres = safetensors.numpy.load_file(f'{exported}.safetensors')[exporting.MEANS]
    latent = latents.make(trained.load(conditional).config, num_examples=40)
    keys = rng.example_keys(jax.random.key(0), 40, None)
    z = np.asarray(jax.jit(functools.partial(latent, truncation=0.0))(keys))
    found, wanted = (np.unique(x, axis=0) for x in (z, centres))
    np.testing.assert_allclose(found, wanted, rtol=1e-6)  # of two programs


def test_what_differs_from_its_weights_is_refused(exported, tmp_path):
    with safetensors.safe_open(f'{exported}.safetensors', 'numpy') as file:
        metadata = file.metadata()
    weights = safetensors.numpy.load_file(f'{exported}.safetensors')
    weights = {path: leaf + np.float32(0.01) for path, leaf in weights.items()}
    path = tmp_path / 'net.bin'
    path.write_bytes(exported.read_bytes())
    safetensors.numpy.save_file(weights, f'{path}.safetensors', metadata)
    with pytest.raises(UserError, match='net.bin: its results differ from those of'):
        exporting.load(path)


def test_damaged_and_missing_files_are_named(exported, tmp_path):
    path = tmp_path / 'net.bin'
    path.write_bytes(exported.read_bytes()[:100])
    with pytest.raises(UserError, match='net.bin.safetensors: missing or damaged'):
        exporting.load(path)
    content = (exported.parent / 'net.bin.safetensors').read_bytes()
    (tmp_path / 'net.bin.safetensors').write_bytes(content)
    with pytest.raises(UserError, match='net.bin: not an exported network, or damaged'):
        exporting.load(path)
    for metadata in (None, {'format': 'pt'}):  # weights of another program
        safetensors.numpy.save_file({'x': np.zeros(1)}, f'{path}.safetensors', metadata)
        with pytest.raises(UserError, match="not of `gan-jax export`, it lacks 'part'"):
            exporting.load(path)


@pytest.mark.newest
def test_of_a_semisupervised_run_the_classifier_and_the_generator(train_once, tmp_path, capsys):
    train_once(classifying_test.tiny(), tmp_path / 'run')
    flags = [f'--workdir={tmp_path}/run', f'--output={tmp_path}/net.bin']
    assert cli.main(['export', *flags]) == 0
    text = capsys.readouterr().out
    assert text.startswith("classifier of step 4: takes image uint8['N', 28, 28, 1]\n")
    found = exporting.load(tmp_path / 'net.bin')
    probability = found.call(np.zeros((4, 28, 28, 1), np.uint8))
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-5)
    assert json.dumps(found.facts)
    assert '--overwrite' in fails(capsys, 'export', *flags)
    assert cli.main(['export', *flags, '--part=generator', '--overwrite']) == 0
    assert "takes z float32['N', 8]" in capsys.readouterr().out
    assert 'did you mean' in fails(capsys, 'export', *flags, '--part=generators', '--overwrite')


NETS = ['fc_gan_mnist', 'gan_mnist', 'dcgan64', 'my_images', 'cgan_mnist', 'sgan_folder']
NETS += ['pix2pix_grey']


@pytest.mark.parametrize('name', [f'{name}:smoke' for name in NETS] + ['sgan_mnist:book'])
def test_every_network_lowers_for_any_batch_on_every_platform(name):
    config = experiments.load(name)
    spec = data.entry(config.data).spec(config.data)
    task = tasks.make(config, spec, axis_name=None)
    state = jax.eval_shape(task.init)
    (batch,) = jax.export.symbolic_shape('batch')
    for part in task.parts.values():
        shapes = [jax.ShapeDtypeStruct((batch, *x.shape), x.dtype) for x in part.inputs.values()]
        program = jax.export.export(jax.jit(part.call), platforms=exporting.PLATFORMS)
        (made,) = program(part.variables(state), *shapes).out_avals
        assert made.shape[0] == batch and made.dtype == np.float32
