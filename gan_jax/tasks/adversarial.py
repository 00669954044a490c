"""Unconditional and class-conditional GANs: a generator against a discriminator.

One step makes `disc_steps` updates of the discriminator, each on new real images, then
one of the generator. Which networks, loss, penalties and augmentation is data (`Recipe`).
"""

from collections.abc import Callable
import functools
from typing import Any, NamedTuple

import chex
from flax import linen as nn
import jax
import jax.numpy as jnp
from ml_collections import ConfigDict
import optax

from gan_jax import augment, images, losses, nets, optimizers, penalties, rng
from gan_jax.states import GanState, NetState
from gan_jax.tasks import players
from gan_jax.types import Batch, DataSpec, Metrics, Pair, Task


class Recipe(NamedTuple):
    """Everything about a GAN that does not change while it trains: a `players.Recipe`.

    Attributes:
      loss: functions of (real_logits, fake_logits) for each network.
      latent: (keys [B]) -> z, float32 [B, latent_dim].
      penalties: (function, weight) of each penalty on the discriminator.
      disc_steps, share_latent: as in the config.
    """

    nets: Pair[nn.Module]
    optimizers: Pair[optax.GradientTransformation]
    loss: Pair[losses.LossFn]
    penalties: tuple[tuple[penalties.Penalty, float], ...]
    augment: augment.Augmentation
    noise_std: Callable[[jax.Array], jax.Array | float] | None
    latent: Callable[[jax.Array], jax.Array]
    disc_steps: int
    share_latent: bool
    ema_decay: Pair[float]
    seed: int
    axis_name: str | None


def make(config: ConfigDict, spec: DataSpec, *, axis_name: str | None) -> Task:
    """The task of `config` on images of `spec`. See `gan_jax.types.Task`."""
    recipe = make_recipe(config, spec, axis_name)
    generator = _modules(config, spec, None).gen
    sampler = players.make_sampler(config, generator)
    return Task(
        init=functools.partial(init, recipe, spec),
        step=functools.partial(step, recipe),
        preview=players.make_preview(sampler, config.seed, config.num_samples),
        sampler=sampler,
        parts={'generator': players.make_part(config, generator)},
    )


def draws(config: ConfigDict) -> tuple[str, ...]:
    """A batch for each update of the discriminator."""
    return ('in_turn',) * config.disc_steps


def make_recipe(config: ConfigDict, spec: DataSpec, axis_name: str | None) -> Recipe:
    """Reads the config into a Recipe."""
    weights = config.penalties.to_dict()
    return Recipe(
        **players.common(config, _modules(config, spec, axis_name), axis_name),
        latent=players.latent(config),
        optimizers=Pair(
            gen=optimizers.make(config.gen.optimizer, config.steps),
            disc=optimizers.make(config.disc.optimizer, config.steps * config.disc_steps),
        ),
        loss=losses.make(config.loss, config.label_smoothing),
        penalties=tuple((penalties.PENALTIES[n], w) for n, w in weights.items() if w),
        disc_steps=config.disc_steps,
        share_latent=config.share_latent,
    )


def _modules(config: ConfigDict, spec: DataSpec, axis_name: str | None) -> Pair[nn.Module]:
    num_classes = spec.num_classes if config.conditional else 0

    def module(role: str, kind: nets.Kind) -> nn.Module:
        return players.module(role, config, spec, axis_name, kind=kind, num_classes=num_classes)

    return Pair(gen=module('gen', nets.Kind.LATENT), disc=module('disc', nets.Kind.LOGIT))


def init(recipe: Recipe, spec: DataSpec) -> GanState:
    """A fresh state; see `players.init`."""
    label, image = jnp.zeros(2, jnp.int32), jnp.zeros((2, *spec.image_shape))
    z = recipe.latent(jax.random.split(jax.random.key(0), 2))
    return players.init(recipe, Pair((z, label), (image, label)))


def step(recipe: Recipe, state: GanState, batch: Batch) -> tuple[GanState, Metrics]:
    """One training step on one device's share of the batch.

    Args:
      recipe: the GAN.
      state: replicated over the devices.
      batch: image uint8 [disc_steps, B, H, W, C] and label int32 [disc_steps, B].

    Returns:
      The next state, and float32 scalars averaged over devices and discriminator
      updates: `loss_g`, `loss_d`, `d_real` = mean sigmoid(D(x)), `d_fake` = mean
      sigmoid(D(G(z))), `grad_norm_g`, `grad_norm_d`, and `penalty` where there is one.
    """
    chex.assert_axis_dimension(batch.image, 0, recipe.disc_steps)
    key = rng.step_key(recipe.seed, state.step, state.rollbacks)
    real = images.normalise(batch.image, recipe.nets.gen.pixel_range)
    gen, disc = state.nets
    noise_std = recipe.noise_std and recipe.noise_std(state.step)
    disc_metrics = []
    for k in range(recipe.disc_steps):
        label = batch.label[k]
        game = players.Game(recipe, rng.purpose_key(key, 'disc', k), label, noise_std)
        generated = game.generate(gen, recipe.latent(game.keys('latent')), label)
        disc, metrics = update_disc(game, disc, real[k], generated.image)
        disc_metrics.append(metrics)
    if not recipe.share_latent:
        game = players.Game(recipe, rng.purpose_key(key, 'gen'), label, noise_std)
        generated = game.generate(gen, recipe.latent(game.keys('latent')), label)
    gen, gen_metrics = update_gen(game, gen, disc, real[-1], generated)
    metrics = jax.tree.map(lambda *values: sum(values) / len(values), *disc_metrics)
    state = state.replace(
        step=state.step + 1,
        nets=Pair(gen, disc),
        ema=players.update_ema(state.ema, Pair(gen, disc), recipe.ema_decay, state.step),
    )
    return state, gen_metrics | metrics


def _logits(
    game: players.Game, disc: NetState, params: Any, image: jax.Array, purpose: str
) -> jax.Array:
    """D(image), float32 [B]."""
    return game.apply(disc, params, image, game.label, purpose=purpose)[0]


def update_disc(
    game: players.Game, disc: NetState, real: jax.Array, fake: jax.Array
) -> tuple[NetState, Metrics]:
    """One update of the discriminator, on real and on generated images."""
    real, fake = game.view(real, 'real'), game.view(fake, 'fake')

    def objective(params: Any) -> tuple[jax.Array, tuple[players.Stats, dict[str, jax.Array]]]:
        both = {'real': (real, game.label), 'fake': (fake, game.label)}
        logits, stats = game.apply_each(disc, params, both)
        real_logits, fake_logits = logits.values()
        loss = jnp.mean(game.recipe.loss.disc(real_logits, fake_logits))
        metrics = {
            'loss_d': loss,
            'd_real': jnp.mean(jax.nn.sigmoid(real_logits)),
            'd_fake': jnp.mean(jax.nn.sigmoid(fake_logits)),
        }
        if game.recipe.penalties:
            metrics['penalty'] = _penalty(game, disc, params, real, fake)
            loss += metrics['penalty']
        return loss, (stats, metrics)

    (_, (stats, metrics)), grads = jax.value_and_grad(objective, has_aux=True)(disc.params)
    grads, stats, metrics = game.average((grads, stats, metrics))
    metrics['grad_norm_d'] = players.norm(grads)
    return disc.apply_gradients(grads=grads, batch_stats=stats), metrics


def _penalty(
    game: players.Game, disc: NetState, params: Any, real: jax.Array, fake: jax.Array
) -> jax.Array:
    """The weighted sum of the recipe's penalties, a scalar."""

    def logits(image: jax.Array) -> jax.Array:
        return _logits(game, disc, params, image, 'penalty')

    total = jnp.zeros(())
    for number, (penalty, weight) in enumerate(game.recipe.penalties):
        keys = game.keys('penalty', str(number))
        total += weight * jnp.mean(penalty(logits, real, fake, keys, game.recipe.axis_name))
    return total


def update_gen(
    game: players.Game,
    gen: NetState,
    disc: NetState,
    real: jax.Array,
    generated: players.Generated,
) -> tuple[NetState, Metrics]:
    """One update of the generator through the discriminator, whose statistics stay as they are.

    The gradient goes to the images first and to the parameters by the pullback kept from
    their generation, so that shared fakes are not generated twice.
    """
    real = game.view(real, 'real')

    def objective(fake: jax.Array) -> jax.Array:
        fake = game.view(fake, 'fake')
        fake_logits = _logits(game, disc, disc.params, fake, 'gen')
        # Only a relativistic loss looks at these; for the others XLA drops the pass.
        real_logits = _logits(game, disc, disc.params, real, 'gen')
        return jnp.mean(game.recipe.loss.gen(real_logits, fake_logits))

    loss, fake_grad = jax.value_and_grad(objective)(generated.image)
    (grads,) = generated.pullback(fake_grad)
    grads, stats, loss = game.average((grads, generated.stats, loss))
    metrics = {'loss_g': loss, 'grad_norm_g': players.norm(grads)}
    return gen.apply_gradients(grads=grads, batch_stats=stats), metrics
