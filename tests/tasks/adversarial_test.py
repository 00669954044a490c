"""Properties of one training step."""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
from ml_collections import ConfigDict
import numpy as np
import optax
import pytest

from gan_jax import losses, penalties, rng, tasks
from gan_jax.errors import UserError
from gan_jax.evaluation import samples
from gan_jax.tasks import adversarial, shared
from gan_jax.types import Batch
from tests import gans

SPEC = gans.MNIST_SPEC


def setting(net='mlp', **changes):
    """A recipe that remembers its gradients, its first state and a batch; each is made once."""
    return _setting(net, tuple(changes.items()))


@functools.cache
def _setting(net, changes):
    changes = dict(changes)
    if net == 'mlp':
        changes = {'gen.net.hidden': (8,), 'disc.net.hidden': (8,)} | changes
    config = gans.config(net, **changes)
    recipe = gans.remembering(adversarial.make_recipe(config, SPEC, None))
    state = jax.jit(lambda: adversarial.init(recipe, SPEC))()
    return recipe, state, gans.batch(SPEC, config.disc_steps, config.batch_size)


PROGRAMS = {}


def compiled(recipe):
    """The step as the trainer runs it: operations one by one would each be compiled alone."""
    program = jax.jit(functools.partial(adversarial.step, recipe))
    return PROGRAMS.setdefault(id(recipe), (program, recipe))[0]


def gradients(recipe, state, batch):
    """One step's gradients of the generator and the discriminator."""
    after, _ = compiled(recipe)(state, batch)
    return [jax.device_get(net.opt_state) for net in after.nets]


@pytest.mark.parametrize('loss', losses.LOSSES)
def test_any_loss_goes_with_all_penalties(loss):
    all_of_them = {f'penalties.{name}': 1.0 for name in penalties.PENALTIES}
    config = gans.config('mlp', loss=loss, **all_of_them)
    recipe = adversarial.make_recipe(config, SPEC, None)
    state = jax.eval_shape(lambda: adversarial.init(recipe, SPEC))
    batch = gans.batch(SPEC, 1, config.batch_size)
    after, metrics = jax.eval_shape(functools.partial(adversarial.step, recipe), state, batch)
    chex.assert_trees_all_equal_shapes_and_dtypes(after, state)
    assert {value.shape for value in metrics.values()} == {()} and 'penalty' in metrics


@pytest.mark.parametrize(
    ('penalty', 'loss'), list(zip(penalties.PENALTIES, losses.LOSSES, strict=False))
)
def test_a_step_moves_both_networks_to_finite_places(penalty, loss):
    recipe, state, batch = setting(loss=loss, **{f'penalties.{penalty}': 1.0})
    after, metrics = compiled(recipe)(state, batch)
    assert all(np.all(np.isfinite(value)) for value in jax.tree.leaves((after, metrics)))
    assert not gans.same(state.nets.gen.params, after.nets.gen.params)
    assert not gans.same(state.nets.disc.params, after.nets.disc.params)
    assert metrics['penalty'] >= 0


@pytest.mark.slow
def test_gradients_jitted_equal_gradients_unjitted():
    recipe, state, batch = setting('dcgan_mnist', batch_size=16)

    def found():
        return [net.opt_state for net in adversarial.step(recipe, state, batch)[0].nets]

    gans.assert_jit_agrees(found, 1e-6)


def test_the_discriminator_s_update_leaves_the_generator_alone_and_the_other_way_round():
    recipe, state, batch = setting()

    def nothing(grads, *_, **__):
        return (jax.tree.map(jnp.zeros_like, grads),) * 2

    still = optax.GradientTransformationExtraArgs(recipe.optimizers.gen.init, nothing)
    for role, other in (('gen', 'disc'), ('disc', 'gen')):
        optimizers = recipe.optimizers._replace(**{role: still})
        nets = state.nets._replace(**{role: getattr(state.nets, role).replace(tx=still)})
        frozen = dataclasses.replace(recipe, optimizers=optimizers)
        after, _ = compiled(frozen)(state.replace(nets=nets), batch)
        assert gans.same(getattr(state.nets, role).params, getattr(after.nets, role).params)
        assert not gans.same(getattr(state.nets, other).params, getattr(after.nets, other).params)


def test_shared_latents_give_the_generator_the_images_the_discriminator_saw():
    """With its own latents the generator's gradient is another, the discriminator's is not."""
    found = []
    for share in (True, False):
        recipe, state, batch = setting(share_latent=share)
        found.append(gradients(recipe, state, batch))
    assert not gans.same(found[0][0], found[1][0])
    # To rounding: they are two programs.
    gans.assert_close([found[1][1]], [found[0][1]], 1e-6)


def test_the_first_update_is_the_textbook_s():
    """Against the losses written out on plain forward passes, without dropout or noise."""
    recipe, state, batch = setting('mnist_gan', batch_size=4)
    generator, discriminator = gradients(recipe, state, batch)
    gen, disc = state.nets
    key = rng.purpose_key(rng.step_key(0, state.step, state.rollbacks), 'disc', 0)
    z = recipe.latent(shared.Game(recipe, key, batch.label[0], state.step, None).keys('latent'))
    real = batch.image[0] / np.float32(255)

    def play(gen_params, disc_params):
        fake, _ = gen.apply_fn(
            {'params': gen_params, 'batch_stats': gen.batch_stats}, z, train=True,
            mutable=['batch_stats'], rngs={'dropout': key},
        )  # fmt: skip
        variables = {'params': disc_params, 'batch_stats': disc.batch_stats}
        logits = [
            disc.apply_fn(variables, x, train=True, mutable=['batch_stats'])[0]
            for x in (real, fake)
        ]
        return logits

    def disc_loss(params):
        real_logits, fake_logits = play(gen.params, params)
        return jnp.mean(jax.nn.softplus(-real_logits)) + jnp.mean(jax.nn.softplus(fake_logits))

    def gen_loss(params, updated):
        return jnp.mean(jax.nn.softplus(-play(params, updated)[1]))

    @jax.jit
    def expected():
        of_disc = jax.grad(disc_loss)(disc.params)
        # The generator plays against the discriminator after its update.
        updated = jax.tree.map(lambda p, g: p - gans.RATE * g, disc.params, of_disc)
        return jax.grad(gen_loss)(gen.params, updated), of_disc

    gans.assert_close((generator, discriminator), jax.device_get(expected()), 1e-4)


def test_every_discriminator_update_sees_new_images():
    """With the first of two draws replaced the step differs, and with the second too."""
    recipe, state, batch = setting(disc_steps=2)
    step = compiled(recipe)
    after, _ = step(state, batch)
    for draw in (0, 1):
        image = np.array(batch.image)
        image[draw] = 255 - image[draw]
        other, _ = step(state, batch._replace(image=image))
        assert not gans.same(after.nets.disc.params, other.nets.disc.params)


def test_randomness_depends_on_seed_step_and_rollbacks():
    recipe, state, batch = setting()
    one = np.int32(1)
    starts = {
        'same': (recipe, state),
        'seed': (dataclasses.replace(recipe, seed=1), state),
        'step': (recipe, state.replace(step=one)),
        'rollbacks': (recipe, state.replace(rollbacks=one)),
    }
    loss = {k: float(compiled(r)(s, batch)[1]['loss_g']) for k, (r, s) in starts.items()}
    assert loss['same'] == float(compiled(recipe)(state, batch)[1]['loss_g'])
    assert len(set(loss.values())) == 4


def test_the_moving_average_starts_low_and_approaches_its_decay():
    recipe, state, _ = setting(**{'gen.ema_decay': 0.99})
    ema = state.ema._replace(gen=jax.tree.map(np.zeros_like, jax.device_get(state.ema.gen)))
    update = jax.jit(functools.partial(shared.update_ema, recipe))

    def weight(step):
        after = update(state.replace(ema=ema, step=np.int32(step)), state.nets)
        assert after.disc == {}
        return gans.tree_norm(after.gen) / gans.tree_norm(state.nets.gen.variables)

    np.testing.assert_allclose([weight(0), weight(10_000)], [0.9, 0.01], rtol=1e-5)


def test_instance_noise_falls_linearly_to_zero():
    recipe, _, _ = setting(**{'instance_noise.std': 0.2, 'instance_noise.decay_steps': 100})
    got = [float(jax.jit(recipe.noise_std)(np.int32(n))) for n in (0, 50, 100, 500)]
    np.testing.assert_allclose(got, [0.2, 0.1, 0.0, 0.0], atol=1e-7)


@pytest.mark.newest
def test_a_lazy_penalty_weighs_more_in_turn_and_nothing_in_between():
    def found(step, **changes):
        recipe, state, batch = setting(**changes)
        state = state.replace(step=jnp.int32(step))
        _, metrics = compiled(recipe)(state, batch)
        return gradients(recipe, state, batch), metrics.get('penalty')

    lazy = {'penalties.r1': 0.5, 'penalty_every': 3}
    (due, value), (between, nothing) = found(6, **lazy), found(7, **lazy)
    heavy, expected = found(6, **{'penalties.r1': 1.5})
    gans.assert_close(due, heavy)
    gans.assert_close(between, found(7)[0])
    assert nothing == 0 and value == pytest.approx(float(expected), rel=1e-5)


def test_lecam_changes_the_discriminator_alone_and_from_its_start_on():
    def found(**changes):
        recipe, state, batch = setting(**changes)
        averages = {'real': jnp.float32(3.0), 'fake': jnp.float32(-3.0)}
        state = state.replace(memory={'lecam': averages} if changes else {})
        return gradients(recipe, state, batch)

    plain = found()
    gans.assert_close(found(**{'lecam.weight': 0.5, 'lecam.start': 1}), plain)
    applied = found(**{'lecam.weight': 0.5, 'lecam.start': 0})
    assert not gans.same(applied[1], plain[1])


def test_what_lecam_follows_are_the_logits_of_the_step():
    recipe, state, batch = setting(**{'lecam.weight': 0.5, 'lecam.start': 1})
    step = compiled(recipe)
    first, metrics = step(state, batch)
    for name, average in first.memory['lecam'].items():
        assert average == metrics[f'logit_{name}'] != 0
    second, metrics = step(first, batch)
    for name, average in second.memory['lecam'].items():
        want = 0.99 * first.memory['lecam'][name] + 0.01 * metrics[f'logit_{name}']
        assert average == pytest.approx(float(want), rel=1e-5)


ADA = {'augment': 'cutout', 'ada.target': 0.5, 'ada.every': 1, 'ada.images': 16}


def test_the_adaptive_probability_is_that_of_the_state():
    """At 0 nothing is augmented, at 1 everything, in both updates."""

    def found(p=None, **changes):
        recipe, state, batch = setting(**changes)
        if p is not None:
            memory = {'ada': {'p': jnp.float32(p), 'signs': jnp.float32(0)}}
            state = state.replace(memory=memory)
        return gradients(recipe, state, batch)

    never, always = found(), found(augment=ADA['augment'])
    gans.assert_close(found(0, **ADA), never)
    gans.assert_close(found(1, **ADA), always)
    assert all(not gans.same(a, b) for a, b in zip(never, always, strict=True))
    gans.assert_close(found(augment=ADA['augment'], augment_p=0.0), never)


def blind(**changes):
    """Like `setting`, with an augmentation that leaves nothing of an image."""
    recipe, state, batch = setting(**changes)
    return dataclasses.replace(recipe, augment=lambda image, keys, p: 0 * image), state, batch


def test_through_what_the_augmentation_hides_the_generator_learns_nothing():
    blinded, seeing = (gradients(*make())[0] for make in (blind, setting))
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(blinded))
    assert all(np.any(leaf) for leaf in jax.tree.leaves(seeing))


def test_both_updates_see_real_and_generated_images_augmented():
    """Where nothing is left of either, a loss of their difference is that of none."""
    recipe, state, batch = blind(loss='relativistic')
    _, metrics = compiled(recipe)(state, batch)
    np.testing.assert_allclose([metrics['loss_d'], metrics['loss_g']], np.log(2), rtol=1e-6)
    assert metrics['d_real'] == metrics['d_fake']


def test_a_preview_shows_the_adaptive_augmentation_as_often_as_it_may_get():
    config = gans.config('mlp', **ADA, **{'ada.limit': 0.3})
    batch = Batch(np.full((1_000, 28, 28, 1), 255, np.uint8), np.zeros(1_000, np.int32))
    seen = np.asarray(shared.inspect(config, batch))
    share = (seen != 255).any(axis=(1, 2, 3)).mean()
    assert abs(share - 0.3) < 0.06


@pytest.mark.parametrize('disc_steps', [1, 3])
def test_the_adaptive_probability_counts_the_images_of_every_update(disc_steps):
    config = gans.config('mlp', disc_steps=disc_steps, **ADA | {'ada.images': 240, 'ada.every': 2})
    found = adversarial.make_recipe(config, SPEC, None).ada
    assert found.change == pytest.approx(disc_steps * 8 * 2 / 240)


def test_the_probability_follows_the_signs_of_real_images():
    """Half of the way from 0 to 1 in a batch of 8 of 16 images, up to the limit."""
    recipe, state, batch = setting(**ADA)
    start = jnp.float32(0.4)  # from which either sign leads away
    state = state.replace(memory={**state.memory, 'ada': {**state.memory['ada'], 'p': start}})
    step, history = compiled(recipe), []
    for _ in range(6):
        before = float(state.memory['ada']['p'])
        state, metrics = step(state, batch)
        assert float(metrics['augment_p']) == before
        p = before + 0.5 * np.sign(float(metrics['d_sign']) - 0.5)
        history.append(float(state.memory['ada']['p']))
        assert history[-1] == pytest.approx(np.clip(p, 0, 0.8))
    assert history[0] != start


def test_samples_come_from_the_average_and_previews_from_fixed_latents():
    config = gans.config('mlp', **{'gen.ema_decay': 0.9, 'gen.net.hidden': (8,)})
    task = adversarial.make(config, SPEC, axis_name=None)
    state = jax.jit(task.init)()
    preview = functools.partial(task.preview, shown=gans.batch(SPEC, 1, 2))
    first = preview(state)
    assert first.shape == (4, 28, 28, 1) and first.dtype == jnp.uint8
    np.testing.assert_array_equal(first, preview(state))
    live = state.replace(ema=jax.tree.map(lambda x: x + 1, jax.device_get(state.ema)))
    assert not gans.same(first, preview(live))
    nets = state.nets._replace(gen=state.nets.gen.replace(params=live.ema.gen['params']))
    np.testing.assert_array_equal(first, preview(state.replace(nets=nets)))


@pytest.mark.parametrize('role, name', [('gen', 'pix2pix'), ('disc', 'sgan'), ('disc', 'pix2pix')])
def test_nets_of_another_kind_are_refused(role, name):
    config = gans.config('mlp')
    config[role].net = ConfigDict({'name': name})
    with pytest.raises(UserError, match=f'^config.{role}.net.name={name} .*: mlp, mnist_gan'):
        adversarial.make(config, gans.MNIST_SPEC, axis_name=None)


def test_combinations_of_attributes_come_as_often_as_training_images():
    config = gans.config('mlp', conditional=True)
    spec = gans.MNIST_SPEC._replace(num_classes=8, counts=(30, 0, 10, 0, 0, 0, 0, 0))
    task = tasks.make(config, spec, axis_name=None)
    assert set(task.sampler.classes) == {0, 2}
    shares = np.bincount(samples.Samples(task, 0, 400).label, minlength=8) / 400
    np.testing.assert_allclose(shares[:3], [0.75, 0, 0.25], atol=0.1)
    # The discriminator has an embedding of each attribute, and of being without it.
    embedding = jax.eval_shape(task.init).nets.disc.params['Projection_0']['embedding']
    assert embedding['kernel'].shape[0] == 6
