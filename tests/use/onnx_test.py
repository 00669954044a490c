"""ONNX files: every network of every task, for any batch, as the run computes it."""

import json

import jax
import numpy as np
import pytest

from gan_jax import cli, data, tasks
from gan_jax.config import experiments
from gan_jax.io import files
from gan_jax.use import exporting, onnx
from tests import gans
from tests.cli import commands_test
from tests.cli.commands_test import fails
from tests.use.exporting_test import NETS

onnx_lib = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')
run = commands_test.run  # with classes, and latents of a mixture

# my_images has the generator of dcgan64, and the tiny translators have the layers of pix2pix_grey.
SOURCES = [f'{name}:smoke' for name in NETS if name not in ('dcgan64', 'pix2pix_grey')]
CONFIGS = {name: lambda name=name: experiments.load(name) for name in (*SOURCES, 'sgan_mnist:book')}
SYNTHETIC = {'data.name': 'synthetic', 'data.image_size': 64}
CONFIGS |= {'fastgan': lambda: gans.config('fastgan', 'dcgan', **SYNTHETIC)}
# Of combinations of attributes, which a net codes one by one.
FACES = {'data.name': 'celeb_a', 'data.image_size': 32, 'data.attributes': 'Smiling,Male,Young'}
CONFIGS |= {'attributes': lambda: gans.config('mlp', conditional=True, **FACES)}
CONFIGS |= {'paper': gans.pix2pix, 'small album': gans.pix2pix_small}


def parts(config):
    """The parts of a task, with random weights."""
    spec = data.entry(config.data).spec(config.data)
    task = tasks.make(config, spec, axis_name=None)
    state = jax.eval_shape(task.init)
    random = np.random.default_rng(0)

    def drawn(leaf):  # positive, as variances are
        return (0.02 + 0.1 * random.random(leaf.shape)).astype(leaf.dtype)

    for part in task.parts.values():
        yield part, jax.tree.map(drawn, part.variables(state))


# Of each kind of layer the smallest network is converted in every run of the tests.
MARKS = {'fastgan': pytest.mark.slow}
# A generator of classes, a classifier and a U-Net.
MARKS |= dict.fromkeys(('cgan_mnist:smoke', 'sgan_mnist:book', 'paper'), pytest.mark.newest)


@pytest.mark.parametrize('name', [pytest.param(n, marks=MARKS.get(n, ())) for n in CONFIGS])
def test_every_network_is_what_jax_makes_of_it(name):
    config = CONFIGS[name]()
    for part, variables in parts(config):
        model = onnx.convert(part, variables)
        onnx_lib.checker.check_model(model, full_check=True)
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=['CPUExecutionProvider']
        )
        assert [value.name for value in session.get_inputs()] == list(part.inputs)
        assert session.get_outputs()[0].shape[0] == onnx.BATCH

        def call(*inputs, session=session, part=part):
            return session.run(None, dict(zip(part.inputs, inputs, strict=True)))[0]

        shapes = list(part.inputs.values())
        found = exporting.difference(call, jax.jit(part.call), variables, shapes)
        assert found < onnx.TOLERANCE


def test_the_command_says_what_it_takes_and_how_well_it_agrees(run, tmp_path, capsys):
    path = tmp_path / 'net.onnx'
    flags = [f'--workdir={run}', f'--output={path}', '--format=onnx']
    assert cli.main(['export', *flags]) == 0
    told = capsys.readouterr().out
    assert (
        "component int32['N'], z float32['N', 8], label int32['N']" in told and 'opset 18' in told
    )
    model = onnx_lib.load(path)
    facts = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert facts['part'] == 'generator' and facts['step'] == 4
    assert model.opset_import[0].version == onnx.OPSET
    assert '--overwrite' in fails(capsys, 'export', *flags)
    assert 'must end with .onnx' in fails(
        capsys, 'export', f'--workdir={run}', '--format=onnx', f'--output={tmp_path}/net.bin'
    )


def test_without_the_extra_one_line_says_what_to_install(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'onnxruntime', None)
    flags = [f'--workdir={run}', f'--output={tmp_path}/net.onnx', '--format=onnx']
    assert files.install('onnx') in fails(capsys, 'export', *flags)
