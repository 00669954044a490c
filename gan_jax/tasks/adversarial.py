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
from gan_jax.types import Batch, DataSpec, Metrics, Pair, Sampler, Task

Stats = Any  # a network's batch_stats


class Recipe(NamedTuple):
    """Everything about a GAN that does not change while it trains.

    Attributes:
      nets: the two Linen modules, with collectives over `axis_name`.
      optimizers: one for each.
      loss: functions of (real_logits, fake_logits) for each.
      penalties: (function, weight) of each penalty on the discriminator.
      augment: applied to all that the discriminator sees.
      noise_std: step -> standard deviation of the instance noise; None without any.
      latent: (keys [B]) -> z, float32 [B, latent_dim].
      disc_steps, share_latent, ema_decay, seed, axis_name: as in the config.
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
    ema_decay: float
    seed: int
    axis_name: str | None


def make(config: ConfigDict, spec: DataSpec, *, axis_name: str | None) -> Task:
    """The task of `config` on images of `spec`. See `gan_jax.types.Task`."""
    recipe = make_recipe(config, spec, axis_name)
    sampler = make_sampler(config, spec)
    return Task(
        init=functools.partial(init, recipe, spec),
        step=functools.partial(step, recipe),
        preview=functools.partial(preview, sampler, config.seed, config.num_samples),
        sampler=sampler,
    )


def make_recipe(config: ConfigDict, spec: DataSpec, axis_name: str | None) -> Recipe:
    """Reads the config into a Recipe."""
    weights = config.penalties.to_dict()
    return Recipe(
        nets=_modules(config, spec, axis_name),
        optimizers=Pair(
            gen=optimizers.make(config.gen.optimizer, config.steps),
            disc=optimizers.make(config.disc.optimizer, config.steps * config.disc_steps),
        ),
        loss=losses.make(config.loss, config.label_smoothing),
        penalties=tuple((penalties.PENALTIES[n], w) for n, w in weights.items() if w),
        augment=augment.make(config.augment),
        noise_std=_noise_schedule(config.instance_noise.std, config.instance_noise.decay_steps),
        latent=_latent(config),
        disc_steps=config.disc_steps,
        share_latent=config.share_latent,
        ema_decay=config.gen.ema_decay,
        seed=config.seed,
        axis_name=axis_name,
    )


def _modules(config: ConfigDict, spec: DataSpec, axis_name: str | None) -> Pair[nn.Module]:
    build = functools.partial(
        nets.build,
        image_shape=spec.image_shape,
        num_classes=spec.num_classes if config.conditional else 0,
        dtype=jnp.dtype(config.precision),
        axis_name=axis_name,
        batch_norm=config.batch_norm,
    )
    return Pair(
        gen=build('gen', config.gen.net.to_dict(), kind=nets.Kind.LATENT),
        disc=build('disc', config.disc.net.to_dict(), kind=nets.Kind.LOGIT),
    )


def _noise_schedule(
    std: float, decay_steps: int
) -> Callable[[jax.Array], jax.Array | float] | None:
    if not std:
        return None
    if not decay_steps:
        return lambda step: std
    return lambda step: std * jnp.maximum(0.0, 1 - step.astype(jnp.float32) / decay_steps)


def _latent(config: ConfigDict) -> Callable[[jax.Array], jax.Array]:
    shape = (config.latent_dim,)
    draws = {
        'normal': lambda keys: rng.normal(keys, shape),
        'uniform': lambda keys: 2 * rng.uniform(keys, shape) - 1,
    }
    return draws[config.latent]


def init(recipe: Recipe, spec: DataSpec) -> GanState:
    """A fresh state: parameters from the seed, zeroed moments, step 0."""
    image = jnp.zeros((2, *spec.image_shape))
    label = jnp.zeros(2, jnp.int32)
    z = recipe.latent(jax.random.split(jax.random.key(0), 2))
    # Parameters do not depend on devices, and there is no axis to average over here.
    modules = jax.tree.map(
        lambda net: net.clone(axis_name=None),
        recipe.nets,
        is_leaf=lambda x: isinstance(x, nn.Module),
    )

    def net_state(role: str, x: jax.Array) -> NetState:
        module: nn.Module = getattr(modules, role)
        key = rng.purpose_key(jax.random.key(recipe.seed), 'init', role)
        variables = module.init(key, x, label, train=False)
        state = NetState.create(
            apply_fn=getattr(recipe.nets, role).apply,
            params=variables['params'],
            batch_stats=variables.get('batch_stats', {}),
            tx=getattr(recipe.optimizers, role),
        )
        return state.replace(step=jnp.zeros((), jnp.int32))  # Flax's own 0 is weakly typed

    pair = Pair(gen=net_state('gen', z), disc=net_state('disc', image))
    ema = jax.tree.map(jnp.copy, pair.gen.variables) if recipe.ema_decay else {}
    # Two arrays, as one buffer cannot be donated twice.
    counts = jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32)
    return GanState(*counts, nets=pair, ema=ema)


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
        game = Game(recipe, rng.purpose_key(key, 'disc', k), label, noise_std)
        generated = game.generate(gen, 'latent')
        disc, metrics = update_disc(game, disc, real[k], generated.image)
        disc_metrics.append(metrics)
    if not recipe.share_latent:
        game = Game(recipe, rng.purpose_key(key, 'gen'), label, noise_std)
        generated = game.generate(gen, 'latent')
    gen, gen_metrics = update_gen(game, gen, disc, real[-1], generated)
    metrics = jax.tree.map(lambda *values: sum(values) / len(values), *disc_metrics)
    state = state.replace(
        step=state.step + 1,
        nets=Pair(gen, disc),
        ema=update_ema(state.ema, gen.variables, recipe.ema_decay, state.step),
    )
    return state, gen_metrics | metrics


class Generated(NamedTuple):
    """Images from the generator and the way back to its parameters."""

    image: jax.Array  # float32 [B, H, W, C]
    pullback: Callable[[jax.Array], tuple[Any]]  # d loss / d image -> (d loss / d params,)
    stats: Stats  # after this pass


class Game(NamedTuple):
    """What both players share in one update: the recipe, the randomness, the labels.

    Attributes:
      recipe: the GAN.
      key: of this update; each use derives its own.
      label: int32 [B], of the real images and asked of the generator.
      noise_std: of the instance noise now; None without any.
    """

    recipe: Recipe
    key: jax.Array
    label: jax.Array
    noise_std: jax.Array | float | None

    def keys(self, *purpose: str) -> jax.Array:
        """One key an example for this purpose, [B]."""
        key = rng.purpose_key(self.key, *purpose)
        return rng.example_keys(key, len(self.label), self.recipe.axis_name)

    def generate(self, gen: NetState, purpose: str) -> Generated:
        """G(z) on a fresh latent."""
        z = self.recipe.latent(self.keys(purpose))

        def forward(params: Any) -> tuple[jax.Array, Stats]:
            return self._apply(gen, params, z, self._dropout_key('generator'))

        image, pullback, stats = jax.vjp(forward, gen.params, has_aux=True)
        return Generated(image, pullback, stats)

    def view(self, image: jax.Array, purpose: str) -> jax.Array:
        """What the discriminator sees of images: augmented, then with instance noise.

        Both are defined for pixels in [-1, 1], whatever the networks' range is.
        """
        low, high = self.recipe.nets.gen.pixel_range
        scale, middle = (high - low) / 2, (high + low) / 2
        image = disturb(
            (image - middle) / scale,
            self.recipe.augment,
            self.noise_std,
            lambda use: self.keys(use, purpose),
        )
        return image * scale + middle

    def logits(self, disc: NetState, params: Any, image: jax.Array, purpose: str) -> jax.Array:
        """D(image), float32 [B]."""
        return self._apply(disc, params, image, self._dropout_key(purpose))[0]

    def logits_of_both(
        self, disc: NetState, params: Any, real: jax.Array, fake: jax.Array
    ) -> tuple[jax.Array, jax.Array, Stats]:
        """D(real) and D(fake), float32 [B] each, and D's statistics after.

        One pass, so that every kernel is read once, but batch norm takes the moments of each
        batch apart; the running ones move by the mean of the two.
        """
        keys = jnp.stack([self._dropout_key(purpose) for purpose in ('real', 'fake')])
        both = jax.vmap(lambda image, key: self._apply(disc, params, image, key))
        logits, stats = both(jnp.stack([real, fake]), keys)
        return logits[0], logits[1], jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), stats)

    def _dropout_key(self, purpose: str) -> jax.Array:
        return rng.purpose_key(self.key, 'dropout', purpose)

    def _apply(
        self, net: NetState, params: Any, x: jax.Array, dropout_key: jax.Array
    ) -> tuple[jax.Array, Stats]:
        out, updated = net.apply_fn(
            {'params': params, 'batch_stats': net.batch_stats},
            x,
            self.label,
            train=True,
            mutable=['batch_stats'],
            rngs={'dropout': dropout_key},
        )
        return out, updated.get('batch_stats', {})

    def average(self, tree: Any) -> Any:
        """The mean over devices, all leaves in one collective."""
        axis_name = self.recipe.axis_name
        # A collective of one device would still copy every leaf.
        if axis_name is None or jax.lax.axis_size(axis_name) == 1:
            return tree
        return jax.lax.pmean(tree, axis_name)


def disturb(
    image: jax.Array,
    augmentation: augment.Augmentation,
    noise_std: jax.Array | float | None,
    keys: Callable[[str], jax.Array],
) -> jax.Array:
    """Augments images in [-1, 1], float32 [B, H, W, C], and adds noise; keys: use -> [B]."""
    image = augmentation(image, keys('augment'))
    if noise_std is not None:
        image = image + noise_std * rng.normal(keys('noise'), image.shape[1:])
    return image


def update_disc(
    game: Game, disc: NetState, real: jax.Array, fake: jax.Array
) -> tuple[NetState, Metrics]:
    """One update of the discriminator, on real and on generated images."""
    real, fake = game.view(real, 'real'), game.view(fake, 'fake')

    def objective(params: Any) -> tuple[jax.Array, tuple[Stats, dict[str, jax.Array]]]:
        real_logits, fake_logits, stats = game.logits_of_both(disc, params, real, fake)
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
    metrics['grad_norm_d'] = _norm(grads)
    return disc.apply_gradients(grads=grads, batch_stats=stats), metrics


def _penalty(
    game: Game, disc: NetState, params: Any, real: jax.Array, fake: jax.Array
) -> jax.Array:
    """The weighted sum of the recipe's penalties, a scalar."""

    def logits(image: jax.Array) -> jax.Array:
        return game.logits(disc, params, image, 'penalty')

    total = jnp.zeros(())
    for number, (penalty, weight) in enumerate(game.recipe.penalties):
        keys = game.keys('penalty', str(number))
        total += weight * jnp.mean(penalty(logits, real, fake, keys, game.recipe.axis_name))
    return total


def update_gen(
    game: Game, gen: NetState, disc: NetState, real: jax.Array, generated: Generated
) -> tuple[NetState, Metrics]:
    """One update of the generator through the discriminator, whose statistics stay as they are.

    The gradient goes to the images first and to the parameters by the pullback kept from
    their generation, so that shared fakes are not generated twice.
    """
    real = game.view(real, 'real')

    def objective(fake: jax.Array) -> jax.Array:
        fake = game.view(fake, 'fake')
        fake_logits = game.logits(disc, disc.params, fake, 'gen')
        # Only a relativistic loss looks at these; for the others XLA drops the pass.
        real_logits = game.logits(disc, disc.params, real, 'gen')
        return jnp.mean(game.recipe.loss.gen(real_logits, fake_logits))

    loss, fake_grad = jax.value_and_grad(objective)(generated.image)
    (grads,) = generated.pullback(fake_grad)
    grads, stats, loss = game.average((grads, generated.stats, loss))
    metrics = {'loss_g': loss, 'grad_norm_g': _norm(grads)}
    return gen.apply_gradients(grads=grads, batch_stats=stats), metrics


def _norm(tree: Any) -> jax.Array:
    """The Euclidean norm of all leaves.

    As inner products: squares would be shared with Adam's second moments, and so written out.
    """
    exact = jax.lax.Precision.HIGHEST
    return jnp.sqrt(sum(jnp.vdot(x, x, precision=exact) for x in jax.tree.leaves(tree)))


def update_ema(ema: Any, variables: Any, decay: float, step: jax.Array) -> Any:
    """The moving average of the generator after an update; {} stays {}.

    The decay starts low, min(decay, (1 + n) / (10 + n)) at the n-th update, so that a
    short run is not held back by its initial parameters.
    """
    if not ema:
        return ema
    step = step.astype(jnp.float32)
    decay = jnp.minimum(decay, (1 + step) / (10 + step))
    return jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, ema, variables)


def make_sampler(config: ConfigDict, spec: DataSpec) -> Sampler:
    """Draws latents, and images from the averaged generator if there is one."""
    module = _modules(config, spec, None).gen
    latent = _latent(config)

    def generate(state: GanState, z: jax.Array, label: jax.Array) -> jax.Array:
        variables = state.ema or state.nets.gen.variables
        image = module.apply(variables, z, label, train=False)
        return images.to_uint8(image, module.pixel_range)

    return Sampler(
        latent=lambda key, count: latent(rng.example_keys(key, count, None)),
        generate=generate,
        num_classes=spec.num_classes if config.conditional else 0,
    )


def preview(sampler: Sampler, seed: int, count: int, state: GanState) -> jax.Array:
    """The same `count` latents at every call, classes in turn; uint8 [count, H, W, C]."""
    z = sampler.latent(rng.purpose_key(jax.random.key(seed), 'preview'), count)
    label = jnp.arange(count) % max(sampler.num_classes, 1)
    return sampler.generate(state, z, label)


def inspect(config: ConfigDict, batch: Batch) -> jax.Array:
    """Real images [N, H, W, C] as the discriminator sees them, drawn as in step 0; uint8."""
    zero = jnp.zeros((), jnp.int32)
    key = rng.purpose_key(rng.step_key(config.seed, zero, zero), 'disc', 0)
    noise_std = _noise_schedule(config.instance_noise.std, config.instance_noise.decay_steps)

    def keys(use: str) -> jax.Array:
        return rng.example_keys(rng.purpose_key(key, use, 'real'), len(batch.label), None)

    pixels = images.normalise(batch.image, (-1, 1))
    seen = disturb(pixels, augment.make(config.augment), noise_std and noise_std(zero), keys)
    return images.to_uint8(seen, (-1, 1))
