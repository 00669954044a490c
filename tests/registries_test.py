"""An entry of a registry is all that the program needs to know of it."""

import functools
import importlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import api, augment, fields, losses, nets, penalties, tasks
from gan_jax.data import mnist5k
from gan_jax.evaluation import leaks, metrics, sets, text
from gan_jax.pretrained import features
from gan_jax.report import curves
from gan_jax.tasks import latents
from gan_jax.use import exporting

SHAPES = (28, 28, 1), (64, 64, 3)


@pytest.fixture(scope='module')
def compared():
    """Forty digits beside forty others, and as many that were trained on."""
    image, _ = mnist5k.read()
    net = features.load('digits')
    roles = (sets.HELD_OUT, image[::125]), (sets.TRAINING, image[1::125])
    real, training = (
        sets.Reference(sets.ImageSet(role, role, role, len(part), part), net)
        for role, part in roles
    )
    return metrics.Comparison(sets.Measured(image[2::125], net), real, training)


@pytest.mark.parametrize('name', metrics.MEASUREMENTS)
def test_every_value_of_a_figure_is_of_a_metric(name, compared):
    figure = metrics.MEASUREMENTS[name]
    found = figure.compute(compared).keys() - {'class_histogram'}  # shares, which are a line
    found = {re.sub('(_real)?(_std|_pairs)?$', '', key) for key in found}
    bases = {key.removesuffix('_digits') if key not in figure.metrics else key for key in found}
    assert bases <= figure.metrics.keys()
    lacks = figure.metrics.keys() - bases - features.NETS['squeezenet'].metrics.keys()
    assert not lacks - {'swd'}  # of patches, for which digits are too small


def test_every_metric_says_what_it_is_and_is_in_a_panel_that_there_is():
    titles = {panel.title for panel in curves.PANELS}
    for key, metric in metrics.METRICS.items():
        assert metric.name and metric.form.format(1) and metric.meaning, key
        assert not metric.panel or metric.panel in titles, key


def test_a_value_that_is_of_no_metric_is_shown_by_its_key(compared):
    found = metrics.compare(compared, only=('kid',))
    found['figures'] |= {'new': 0.25, 'new_std': 0.5, 'old_std': 3.0}
    assert [row[:2] for row in text.rows(found)[1:]] == [('new', '0.25 ± 0.5'), ('old_std', '3.0')]


DEFAULT = fields.default()
# What goes by the names of a registry elsewhere, as it lies in a layer above or below.
BESIDE = {
    'traces of augmentations': (leaks.TELLS, augment.AUGMENTATIONS),
    'weights of penalties': (DEFAULT.penalties, penalties.PENALTIES),
    'tolerances of precisions': (exporting.TOLERANCE, fields.FIELDS['precision'].choices()),
}


@pytest.mark.parametrize('what', BESIDE)
def test_what_stands_beside_a_registry_lacks_no_entry(what):
    found, entries = BESIDE[what]
    assert {*found} == {*entries}


@pytest.mark.parametrize('task, terms', [('semisupervised', 6), ('translation', 3)])
def test_every_term_of_a_task_has_its_weight(task, terms):
    names = importlib.import_module(f'gan_jax.tasks.{task}').TERMS
    assert len(names) >= terms and {*names} <= {*DEFAULT[task]}


@pytest.mark.parametrize('name', tasks.TASKS)
def test_a_task_is_shown_by_a_line_of_the_python_interface(name):
    assert hasattr(api.Run, re.match(r'run\.(\w+)\(', tasks.TASKS[name].use)[1])


@pytest.mark.parametrize('name', latents.DISTRIBUTIONS)
def test_a_distribution_leaves_its_latents_as_they_are(name):
    kind = latents.DISTRIBUTIONS[name]
    z = kind.draw(jax.random.split(jax.random.key(0), 8), (5,))
    longest = np.linalg.norm(z, axis=1).max()
    np.testing.assert_allclose(kind.inside(z, longest), z, rtol=1e-6)
    assert np.linalg.norm(kind.inside(9 * z, longest), axis=1).max() < 9 * longest
    np.testing.assert_allclose(kind.between(z[:4], z[4:], 1.0), z[4:], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('name', losses.LOSSES)
def test_a_loss_says_whether_its_logits_are_probabilities(name):
    """If they are, the best logit of images of which nine in ten are real is log 9."""
    disc = losses.make(name).disc

    def both(logit):
        [nothing] = jnp.zeros((1, 1))
        share = jnp.array([0.9])
        return jnp.sum(share * disc(logit, nothing) + (1 - share) * disc(nothing, logit))

    if name == 'relativistic':  # of pairs, whose logits alone say nothing
        assert not losses.LOSSES[name].probability
    else:
        slope = jax.jit(jax.grad(both))(np.log(np.float32([9])))
        assert losses.LOSSES[name].probability == bool(abs(slope[0]) < 1e-6)


@pytest.mark.parametrize('name', nets.of_role('gen'))
def test_a_generator_says_its_pixel_range(name):
    low, high = nets.of_role('gen')[name].pixel_range
    assert low < high


@pytest.mark.parametrize('name', nets.of_role('disc'))
def test_a_discriminator_in_eval_mode_draws_nothing(name):
    kind = nets.of_role('disc')[name]
    if kind.takes_maps or hasattr(kind, 'frozen'):
        pytest.skip('it looks through a trained net, and draws nothing')
    shape = next(filter(kind.supports, SHAPES))
    fields = {'dropout': 0.5} if hasattr(kind, 'dropout') else {}
    module = nets.build('disc', {'name': name, **fields}, image_shape=shape, num_classes=2)
    image = jnp.zeros((2, *shape))
    inputs = {
        nets.Kind.LOGIT: (image, jnp.zeros(2, jnp.int32)),
        nets.Kind.CLASSES: (image,),
        nets.Kind.PATCHES: (image, image),
    }[kind.kind]
    variables = jax.eval_shape(
        functools.partial(module.init, train=False), jax.random.key(0), *inputs
    )
    net = functools.partial(module.eval_mode().apply, train=True, mutable=['batch_stats'])
    jax.eval_shape(net, variables, *inputs)  # raises where it needs a key that there is not
