"""A benchmark from end to end, and its sweeps."""

import json
import math

import pytest

from benchmarks import sweep
from benchmarks.measure import _images, measure
from benchmarks.peers import Plan
from gan_jax import cli, data
from gan_jax.config import experiments
from gan_jax.errors import UserError


def plan(name, **changes):
    config = experiments.load(name)
    with config.unlocked():
        config.update_from_flattened_dict(changes)
    return Plan(config, turns=2, calls=2)


@pytest.mark.slow
@pytest.mark.newest
def test_the_figures_of_the_contract(tmp_path, capsys):
    output = tmp_path / 'out.json'
    code = cli.main(
        ['benchmark', '--config=fc_gan_mnist:smoke', '--batch_size=8', '--precision=bfloat16']
        + ['--runner=vmap', '--steps=1', '--turns=2', f'--json={output}']
    )
    assert code == 0
    found = json.loads(output.read_text())
    wanted = {'device': 'cpu', 'device_count': 1, 'runner': 'vmap', 'precision': 'bfloat16'}
    wanted |= {'data': 'real', 'batch_size': 8}
    assert {name: found[name] for name in wanted} == wanted
    positive = ('compile_s', 'images_per_s', 'flops_per_step', 'peak_rss_mb', 'product_gflops')
    assert all(0 < found[name] < math.inf for name in positive)
    step = found['step_ms']
    assert 0 < step['p25'] <= step['median'] <= step['p75']
    assert 0 <= found['input_wait_fraction'] <= 1
    assert 'images/s' in capsys.readouterr().out


@pytest.mark.slow
def test_a_peer_is_measured_beside_us():
    found = measure(plan('dcgan64:smoke')._replace(peer='plain'))
    peer = found['peer']
    assert peer['flops_per_step'] == found['flops_per_step'] and len(found['ratios']) == 2
    assert min(found['ratios']) <= found['ratio'] <= max(found['ratios'])
    assert list(peer['variants']) == [peer['variant']]


def test_random_pixels_stand_in_for_data_that_are_not_there(monkeypatch):
    def absent(config):
        raise UserError('no network')

    entry = data.DATASETS['mnist']._replace(load=absent)
    monkeypatch.setattr(data, 'DATASETS', {**data.DATASETS, 'mnist': entry})
    assert _images(plan('fc_gan_mnist:smoke', **{'data.name': 'mnist'}).config) is None
    with pytest.raises(UserError, match='no network'):
        measure(plan('fc_gan_mnist:smoke', **{'data.name': 'mnist', 'data.path': 'x'}))


def test_what_cannot_run_is_refused_before_anything_is_measured():
    with pytest.raises(UserError, match='config.data.image_size'):
        measure(plan('dcgan64', **{'data.image_size': 48})._replace(peer='plain'))
    with pytest.raises(UserError, match='256'):
        measure(plan('dcgan64:smoke', batch_size=256))


def test_what_generated_images_would_not_mend_is_refused():
    with pytest.raises(UserError, match='image_size'):
        measure(plan('quickstart:smoke', **{'data.image_size': 64}))


def test_sweeps_change_one_field_at_a_time():
    start = plan('dcgan64', devices=1)
    batches = [point.config.batch_size for point in sweep.points(start, 'batch_size')]
    assert batches == list(sweep.VALUES['batch_size'])
    sizes = [point.config.data.image_size for point in sweep.points(start, 'image_size')]
    assert sizes == [32, 64, 128]
    devices = sweep.points(start, 'devices')
    assert [point.config.devices for point in devices] == list(sweep.VALUES['devices'])
    assert start.config.batch_size == 64


def test_a_sweep_of_image_sizes_needs_no_images_whatever_the_set():
    for point in sweep.points(plan('sgan_folder', **{'data.path': 'absent'}), 'image_size'):
        assert point.generated
        side = point.config.data.image_size
        assert data.generated(point.config.data).spec.image_shape == (side, side, 3)


def test_a_sweep_of_batches_takes_those_that_the_devices_share():
    # More than this process has: on a CPU, `measure` simulates as many as are asked for.
    points = sweep.points(plan('dcgan64', devices=8), 'batch_size')
    assert [point.config.batch_size for point in points] == [16, 64, 256]
    with pytest.raises(UserError, match='--sweep=batch_size: none of'):
        sweep.points(plan('dcgan64', devices=3), 'batch_size')


def test_a_sweep_of_a_size_that_is_fixed_is_refused():
    with pytest.raises(UserError, match='--sweep=image_size'):
        sweep.points(plan('quickstart'), 'image_size')
    with pytest.raises(UserError, match="--sweep=batchsize: did you mean 'batch_size'"):
        sweep.fields('batchsize')
    with pytest.raises(UserError, match='--sweep=,: name one of batch_size'):
        sweep.fields(',')


def test_a_sweep_has_a_picture():
    step = {'median': 2.0, 'p25': 1.0, 'p75': 3.0}
    rows = [{'field': 'devices', 'value': n, 'step_ms': step} for n in (1, 2)]
    assert sweep.plot(rows).startswith(b'\x89PNG')
