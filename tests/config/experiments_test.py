"""Every bundled experiment is whole, valid, and has its smoke preset."""

import jax
import pytest

from gan_jax import config as config_lib
from gan_jax import data, fields, tasks
from gan_jax.cli import flags, train
from gan_jax.config import experiments


@pytest.mark.parametrize('preset', ['', ':smoke'])
@pytest.mark.parametrize('name', experiments.names())
def test_an_experiment_is_valid_and_its_networks_can_be_made(name, preset):
    config = experiments.load(name + preset)
    config_lib.validate(config)
    spec = data.entry(config.data).spec(config.data)
    task = tasks.make(config, spec, axis_name=None)
    if not preset:  # a smoke preset's are the same, and narrower
        assert jax.eval_shape(task.init).step.shape == ()


@pytest.mark.parametrize('name', experiments.names())
def test_an_experiment_is_a_document(name):
    text = (experiments.folder() / f'{name}.py').read_text()
    docstring = text.split('"""')[1]
    assert f'--config={name}' in docstring or 'python train.py\n' in docstring
    assert 'Source: ' in docstring and 'Expect' in docstring
    assert 'draft' not in docstring and 'EXPECT' not in docstring


@pytest.mark.parametrize('name', experiments.names())
def test_smoke_saves_five_checkpoints_without_a_network(name):
    config = experiments.load(f'{name}:smoke')
    assert config.data.name in ('mnist5k', 'synthetic') and config.data.path == ''
    assert config.steps // config.save_every >= 5


@pytest.mark.parametrize('name', ['canny', 'grey', 'facades'])
def test_albums_of_pairs_have_a_recipe_of_their_own_and_the_papers(name):
    sizes = {'': 128, ':64': 64, ':512': 512, ':paper': 256, ':128_paper': 128}
    for preset, size in sizes.items():
        config = experiments.load(f'pix2pix_{name}{preset}')
        config_lib.validate(config)
        assert config.data.image_size == size and config.data.jitter == 30 * size // 256
        papers = config.batch_size, config.disc.net.name, config.translation.perceptual
        assert (papers == (1, 'pix2pix', 0.0)) == preset.endswith('paper')


def test_smoke_reaches_what_starts_later():
    config = config_lib.default()
    config.lecam.weight = 0.1
    config_lib.validate(config_lib.smoke(config))
    assert config.lecam.start < config.steps


def test_a_net_s_own_fields_are_filled_in():
    assert experiments.load('wgan_gp_mnist').disc.net.dropout == 0.0
    assert experiments.load('fc_gan_mnist').gen.net.hidden == (256, 512, 1024)


def test_titles_name_the_folder_of_a_run():
    assert experiments.title('configs/dcgan_mnist.py:smoke') == 'dcgan_mnist-smoke'
    assert experiments.title('quickstart') == 'quickstart'


@pytest.mark.parametrize('size, sides', [('64x96', (64, 96)), ('96x96', (96, 96)), (48, (48, 48))])
def test_a_size_may_be_a_rectangle(size, sides):
    changed = experiments.load('dcgan64')
    experiments.change(changed, {'data.image_size': size})
    typed = flags.parse(train, 'train', ['--config=dcgan64', f'--config.data.image_size={size}'])
    assert fields.sides(changed.data) == fields.sides(typed.config.data) == sides
