"""`gan-jax compile`, with the compilers that are installed."""

import importlib.util
import json

import pytest

from benchmarks import gpus
from gan_jax import cli
from tests.cli.commands_test import fails

HAS_COMPILER = importlib.util.find_spec('libtpu') is not None
HAS_CUDA = any(map(importlib.util.find_spec, gpus.PLUGINS))
UNKNOWN = ['h200', 'v9:2x2', 'v4:2x2x1', 'v5e', 'v5e:0x2', 'v5e:2x3x']


def absent(topology, compiler, installed):
    """A topology whose compiler is not installed here."""
    reason = f'the {compiler} compiler is installed'
    marks = pytest.mark.skipif(installed, reason=reason)
    return pytest.param(topology, f'no {compiler} compiler here; pip install', marks=marks)


@pytest.mark.parametrize(
    ('topology', 'message'),
    [
        absent('v5e:2x4', 'TPU', HAS_COMPILER),
        absent('h100', 'CUDA', HAS_CUDA),
        *((name, 'known are h100, and slices of v5e') for name in UNKNOWN),
    ],
)
def test_a_topology_that_cannot_be_is_one_line(topology, message, capsys):
    line = fails(capsys, 'compile', '--config=quickstart:smoke', f'--topology={topology}')
    assert line.startswith(f'error: --topology={topology}: {message}')


def test_a_topology_is_needed(capsys):
    assert 'compile needs --topology' in fails(capsys, 'compile')


@pytest.mark.skipif(not HAS_CUDA, reason="needs XLA's CUDA compiler: pip install '.[h100]'")
@pytest.mark.slow
def test_a_call_is_one_graph_on_a_gpu(tmp_path, capsys):
    output = tmp_path / 'h100.json'
    argv = ['compile', '--config=quickstart:smoke', '--topology=h100', f'--json={output}']
    assert cli.main([*argv, '--config.gen.net.width=2', '--config.disc.net.width=2']) == 0
    found = json.loads(output.read_text())
    assert found['device'].startswith('NVIDIA H100') and found['steps_per_call'] == 100
    assert found['host_launches'] == found['graphs'] == 1 and not found['outside']
    assert found['copies']['bytes'] < 1e5 and found['memory']['total'] > 1e5
    assert 'launches' in capsys.readouterr().out


needs_compiler = pytest.mark.skipif(not HAS_COMPILER, reason="needs libtpu: pip install '.[tpu]'")


@needs_compiler
@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        (['--topology=v5e:2x2x2'], 'two sides: leave out x2'),
        (['--topology=v5e:32x32'], 'takes at most 16x16 chips'),
        (['--topology=v5e:2x4', '--batch_size=12'], 'does not divide among 8 chips: use 8'),
    ],
)
def test_what_cannot_be_is_one_line(flags, message, capsys):
    assert message in fails(capsys, 'compile', '--config=quickstart:smoke', *flags)


@needs_compiler
@pytest.mark.slow
def test_the_step_compiles_for_eight_chips(tmp_path, capsys):
    output = tmp_path / 'v5e.json'
    argv = ['compile', '--config=quickstart:smoke', '--topology=v5e:2x4', f'--json={output}']
    assert cli.main([*argv, '--config.batch_norm=per_device']) == 0
    found = json.loads(output.read_text())
    assert found['chips'] == 8 and found['device'] == 'TPU v5 lite'
    assert found['memory_per_chip']['total'] > 1e6 and found['flops_per_chip'] > 0
    (sent,) = found['collectives']
    assert sent['kind'] == 'all-reduce' and sent['count'] <= 2 * 3
    assert 'all-reduce' in capsys.readouterr().out
