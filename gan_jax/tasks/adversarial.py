"""Unconditional and class-conditional GANs: a generator against a discriminator.

One step makes `disc_steps` updates of the discriminator, each on new real images, then
one of the generator. Which networks, loss, penalties and augmentation is data (`Recipe`).
"""

from collections.abc import Callable, Mapping
import dataclasses
import functools
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from gan_jax import augment, losses, nets, optimizers, penalties, rng
from gan_jax.errors import UserError
from gan_jax.fields import Config
from gan_jax.io import images
from gan_jax.states import GanState, Metrics, NetState, Task
from gan_jax.tasks import latents, shared
from gan_jax.types import Batch, DataSpec, Pair


@dataclasses.dataclass(frozen=True, eq=False)
class Recipe(shared.Recipe):
    """The constants of a training run."""

    loss: Pair[losses.LossFn]  # functions of (real_logits, fake_logits) for each network
    lecam: penalties.Lecam | None  # the penalty on the discriminator's logits; None without it
    # (function, weight) of each gradient penalty on the discriminator
    penalties: tuple[tuple[penalties.Penalty, float], ...]
    penalty_every: int  # steps between them; their weights are multiplied by it
    ada: augment.Ada | None  # how the probability of augmentation adapts; None: it does not
    latent: latents.Latent  # (keys [B]) -> z, float32 [B, latent_dim]
    disc_steps: int  # as in the config
    share_latent: bool  # as in the config


def make(config: Config, spec: DataSpec, *, axis_name: str | None) -> Task:
    """The task of `config` on images of `spec`. See `gan_jax.states.Task`."""
    recipe = make_recipe(config, spec, axis_name)
    alone = _modules(config, spec, None)
    sampler = shared.make_sampler(recipe.latent, alone.gen, spec)
    return Task(
        init=functools.partial(init, recipe, spec),
        step=functools.partial(step, recipe),
        preview=shared.make_preview(sampler, config.seed, config.num_samples),
        sampler=sampler,
        logits=shared.make_logits(alone, recipe.latent, judge),
        parts={'generator': shared.make_part(config, recipe.latent, alone.gen)},
    )


def pools(config: Config) -> tuple[str, ...]:
    """A batch for each update of the discriminator."""
    return ('in_turn',) * config.disc_steps


def make_recipe(config: Config, spec: DataSpec, axis_name: str | None) -> Recipe:
    """Reads the config into a Recipe.

    Raises:
      UserError: a field has a value that this task does nothing with.
    """
    modules = _modules(config, spec, axis_name)
    _refuse_penalties(config, modules.disc)
    disc = optimizers.make(config.disc.optimizer, config.steps * config.disc_steps)
    return Recipe(
        **shared.common(config, modules, axis_name, disc),
        latent=latents.make(config, spec.num_examples),
        loss=losses.make(config.loss, config.label_smoothing, modules.disc.judges()),
        penalties=tuple(
            (penalty, weight)
            for name, penalty in penalties.PENALTIES.items()
            if (weight := config.penalties[name])
        ),
        penalty_every=config.penalty_every,
        lecam=penalties.make_lecam(config.lecam),
        ada=augment.make_ada(config.ada, config.batch_size * config.disc_steps),
        disc_steps=config.disc_steps,
        share_latent=config.share_latent,
    )


def _refuse_penalties(config: Config, disc: nets.Net) -> None:
    for name in penalties.PENALTIES:
        if (weight := config.penalties[name]) and not disc.penalties:
            raise UserError(
                f'config.penalties.{name}={weight}: the net {config.disc.net.name} of'
                ' config.disc.net takes no gradient penalty; set it to 0'
            )


def _modules(config: Config, spec: DataSpec, axis_name: str | None) -> Pair[nets.Net]:
    num_classes = spec.num_classes if config.conditional else 0

    def module(role: str, kind: nets.Kind) -> nets.Net:
        return shared.module(role, config, spec, axis_name, kind=kind, num_classes=num_classes)

    pair = Pair(gen=module('gen', nets.Kind.LATENT), disc=module('disc', nets.Kind.LOGIT))
    if pair.disc.takes_range not in (None, pair.gen.pixel_range):
        raise UserError(
            f'config.gen.net.name={config.gen.net.name}: its pixels are in'
            f' {pair.gen.pixel_range}, and config.disc.net.name={config.disc.net.name} takes'
            f' {pair.disc.takes_range}; choose another generator'
        )
    return pair


def init(recipe: Recipe, spec: DataSpec) -> GanState:
    """A fresh state; see `shared.init`."""
    label, image = jnp.zeros(2, jnp.int32), jnp.zeros((2, *spec.image_shape))
    z = recipe.latent(jax.random.split(jax.random.key(0), 2))
    memory: dict[str, Any] = {}
    if recipe.lecam:
        memory['lecam'] = {'real': jnp.zeros(()), 'fake': jnp.zeros(())}
    if recipe.ada:
        memory['ada'] = augment.start_ada()
    return shared.init(recipe, Pair((z, label), (image, label))).replace(memory=memory)


def step(recipe: Recipe, state: GanState, batch: Batch[jax.Array]) -> tuple[GanState, Metrics]:
    """One training step on one device's share of the batch.

    Args:
      batch: image uint8 [disc_steps, B, H, W, C] and label int32 [disc_steps, B].

    Returns:
      The next state, and float32 scalars averaged over devices and discriminator
      updates: `loss_g`, `loss_d`, `d_real` = mean sigmoid(D(x)), `d_fake` = mean
      sigmoid(D(G(z))), `grad_norm_g`, `grad_norm_d`, and where there is such a thing `penalty`,
      `lecam` with `logit_real` and `logit_fake`, the means of D(x) and D(G(z)), and `augment_p`
      with `d_sign`, the mean sign of D(x).
    """
    chex.assert_axis_dimension(batch.image, 0, recipe.disc_steps)
    key = rng.step_key(recipe.seed, state.step, state.rollbacks)
    real = images.normalise(batch.image, recipe.nets.gen.pixel_range)
    gen, disc = state.nets
    memory = state.memory
    noise_std = recipe.noise_std and recipe.noise_std(state.step)
    augment_p = memory['ada']['p'] if recipe.ada else None
    disc_metrics = []
    for k in range(recipe.disc_steps):
        label = batch.label[k]
        game = shared.Game(
            recipe, rng.purpose_key(key, 'disc', k), label, state.step, noise_std, augment_p
        )
        made = make_images(game, gen)
        seen = _look(game, real[k], 'real')
        update = functools.partial(update_disc, game, disc, memory, state.step)
        disc, memory, metrics = update(seen, made.seen)
        disc_metrics.append(metrics)
    if not recipe.share_latent:
        game = game._replace(key=rng.purpose_key(key, 'gen'))
        made, seen = make_images(game, gen), _look(game, real[-1], 'real')
    gen, gen_metrics = update_gen(game, gen, disc, seen, made)
    metrics = jax.tree.map(lambda *values: sum(values) / len(values), *disc_metrics)
    if recipe.ada:
        metrics['augment_p'] = augment_p
        adapted = recipe.ada.follow(memory['ada'], metrics['d_sign'], state.step)
        memory = {**memory, 'ada': adapted}
    state = state.replace(
        step=state.step + 1,
        memory=memory,
        nets=Pair(gen, disc),
        ema=shared.update_ema(recipe, state, Pair(gen, disc)),
    )
    return state, {**gen_metrics, **metrics}


class Made(NamedTuple):
    """Generated images as the discriminator sees them, and the way back to the generator."""

    seen: Any  # augmented and looked at
    pullback: Callable[[Any], tuple[Any]]  # d loss / d seen -> (d loss / d params,)
    stats: shared.Stats  # of the generator, after this pass


def make_images(game: shared.Game[Recipe], gen: NetState) -> Made:
    """G(z), augmented, and looked at once for the updates of both networks."""
    generated = game.generate(gen, game.recipe.latent(game.keys('latent')), game.label)
    look = functools.partial(_look, game, purpose='fake')
    seen, pullback = jax.vjp(look, generated.image)
    return Made(seen, lambda grad: generated.pullback(*pullback(grad)), generated.stats)


def _look(game: shared.Game[Recipe], image: jax.Array, purpose: str) -> Any:
    """Images [B, H, W, C] augmented, and what the discriminator makes of them unlearned."""
    return game.recipe.nets.disc.look(game.augment(image, purpose))


def judge(module: nets.Net, variables: Any, image: jax.Array, label: jax.Array) -> jax.Array:
    """D(image), float32 [N], with the statistics of these images; the mean of several logits."""
    logits, _ = module.apply(variables, image, label, train=True, mutable=['batch_stats'])
    return losses.per_image(logits)


def _logits(
    game: shared.Game[Recipe], disc: NetState, params: Any, seen: Any, purpose: str
) -> jax.Array:
    """D of images that were looked at, float32 [B] or [B, L]."""
    return game.apply(disc, params, seen, game.label, purpose=purpose, method='judge')[0]


def update_disc(
    game: shared.Game[Recipe],
    disc: NetState,
    memory: Mapping[str, Any],
    step: jax.Array,
    real: Any,
    fake: Any,
) -> tuple[NetState, Mapping[str, Any], dict[str, jax.Array]]:
    """The discriminator and the memory after an update on images looked at, and metrics."""
    recipe = game.recipe

    def objective(params: Any) -> tuple[jax.Array, tuple[shared.Stats, dict[str, jax.Array]]]:
        both = {'real': (real, game.label), 'fake': (fake, game.label)}
        logits, stats = game.apply_each(disc, params, both, method='judge')
        real_logits, fake_logits = logits.values()
        loss = jnp.mean(recipe.loss.disc(real_logits, fake_logits))
        metrics = {
            'loss_d': loss,
            'd_real': jnp.mean(jax.nn.sigmoid(real_logits)),
            'd_fake': jnp.mean(jax.nn.sigmoid(fake_logits)),
        }
        if recipe.penalties:
            metrics['penalty'] = _penalty(game, disc, params, real, fake, step)
            loss += metrics['penalty']
        if recipe.lecam:
            metrics |= {'logit_real': jnp.mean(real_logits), 'logit_fake': jnp.mean(fake_logits)}
            averages = memory['lecam']
            metrics['lecam'] = recipe.lecam.value(real_logits, fake_logits, averages, step)
            loss += metrics['lecam']
        if recipe.ada:
            metrics['d_sign'] = jnp.mean(jnp.sign(real_logits))
        return loss, (stats, metrics)

    (_, (stats, metrics)), grads = jax.value_and_grad(objective, has_aux=True)(disc.params)
    grads, stats, metrics = game.average((grads, stats, metrics))
    metrics['grad_norm_d'] = game.norm(grads)
    if recipe.lecam:
        means = {'real': metrics['logit_real'], 'fake': metrics['logit_fake']}
        memory = {**memory, 'lecam': recipe.lecam.follow(memory['lecam'], means, step)}
    return disc.apply_gradients(grads=grads, batch_stats=stats), memory, metrics


def _penalty(
    game: shared.Game[Recipe],
    disc: NetState,
    params: Any,
    real: jax.Array,
    fake: jax.Array,
    step: jax.Array,
) -> jax.Array:
    """The weighted sum of the recipe's gradient penalties, a scalar; 0 where they are not due.

    Lazy regularisation: every k-th step takes k times the weight (Karras et al. 2020,
    arXiv:1912.04958, section 3.1).
    """
    every = game.recipe.penalty_every

    def logits(image: jax.Array) -> jax.Array:
        return _logits(game, disc, params, image, 'penalty')

    def total() -> jax.Array:
        value = jnp.zeros(())
        for number, (penalty, weight) in enumerate(game.recipe.penalties):
            keys = game.keys('penalty', str(number))
            value += weight * jnp.mean(penalty(logits, real, fake, keys, game.recipe.axis_name))
        return value

    if every == 1:
        return total()
    return jax.lax.cond(step % every == 0, lambda: every * total(), lambda: jnp.zeros(()))


def update_gen(
    game: shared.Game[Recipe], gen: NetState, disc: NetState, real: Any, made: Made
) -> tuple[NetState, Metrics]:
    """One update of the generator through the discriminator, whose statistics stay as they are.

    The gradient goes to what was seen first and to the parameters by the pullback kept from its
    making, so that shared fakes are not made twice.
    """

    def objective(fake: Any) -> jax.Array:
        fake_logits = _logits(game, disc, disc.params, fake, 'gen')
        # Only a relativistic loss looks at these; for the others XLA drops the pass.
        real_logits = _logits(game, disc, disc.params, real, 'gen')
        return jnp.mean(game.recipe.loss.gen(real_logits, fake_logits))

    loss, fake_grad = jax.value_and_grad(objective)(made.seen)
    (grads,) = made.pullback(fake_grad)
    grads, stats, loss = game.average((grads, made.stats, loss))
    metrics = {'loss_g': loss, 'grad_norm_g': game.norm(grads)}
    return gen.apply_gradients(grads=grads, batch_stats=stats), metrics
