"""Semi-supervised GANs: the discriminator tells classes apart, though few images have a label.

With logits l of K classes an image is real with probability Z / (Z + 1), Z = sum exp(l), that is
sigmoid(logsumexp(l)): "generated" is one class more, whose logit is 0 (Salimans et al. 2016,
arXiv:1606.03498, section 5). So one network learns from labelled, unlabelled and generated images.

One step takes a labelled and an unlabelled batch. Which terms the networks minimise on them is
data (`Recipe.weights`): without those of the GAN it is supervised training of the same network.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import functools
import math
from typing import Any, NamedTuple

import chex
import jax
from jax.nn import logsumexp, sigmoid, softplus
import jax.numpy as jnp
import optax

from gan_jax import nets, optimizers, rng
from gan_jax.errors import UserError
from gan_jax.fields import Config
from gan_jax.io import images
from gan_jax.states import GanState, Metrics, NetState, Part, Task
from gan_jax.tasks import latents, shared
from gan_jax.types import Batch, DataSpec, Pair

MASS_DECAY = 0.99  # of the moving average of how often classes are seen
POOLS = {'all': 'in_turn', 'rest': 'unlabelled'}  # by config.semisupervised.unlabelled


class Turn(NamedTuple):
    """One of the discriminator's updates in a step."""

    batches: tuple[str, ...]  # the names of those it sees
    optimizer: str  # the name of the state it uses; turns may share one
    statistics: bool  # whether the running statistics that a classifier uses move


@dataclasses.dataclass(frozen=True, eq=False)
class Recipe(shared.Recipe):
    """The constants of a training run."""

    # of the terms in `DISC_TERMS` and `GEN_TERMS`, without those that are 0
    weights: Mapping[str, float]
    turns: tuple[Turn, ...]  # the discriminator's updates in a step
    confidence: float  # from which the class that the averaged network sees counts as a label
    adaptive: bool  # whether it is lower for classes that this network seldom sees
    equal_from: float  # the step from which all count alike in the averages
    latent: latents.Latent  # (keys [B]) -> z, float32 [B, latent_dim]
    share_latent: bool  # whether the generator's update is on the images that the discriminator saw


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
        classifier=functools.partial(classify, alone),
        logits=shared.make_logits(alone, recipe.latent, judge),
        parts={
            'classifier': Part(
                classifier_variables,
                functools.partial(probabilities, alone),
                {'image': jax.ShapeDtypeStruct(spec.image_shape, jnp.uint8)},
            ),
            'generator': shared.make_part(config, recipe.latent, alone.gen),
        },
    )


def pools(config: Config) -> tuple[str, ...]:
    """A labelled and an unlabelled batch."""
    return 'labelled', POOLS[config.semisupervised.unlabelled]


def make_recipe(config: Config, spec: DataSpec, axis_name: str | None) -> Recipe:
    """Reads the config into a Recipe.

    Raises:
      UserError: a field has a value that this task does nothing with.
    """
    _refuse(config, spec)
    own = config.semisupervised
    weights = {name: own[name] for name in TERMS if own[name]}
    batches = tuple(dict.fromkeys(b for n in weights if n in DISC_TERMS for b in DISC_TERMS[n]))
    turns = _separate(batches) if own.separate else (Turn(batches, 'all', statistics=True),)
    disc = optimizers.make(config.disc.optimizer, config.steps)
    disc = optimizers.in_turns(disc, {turn.optimizer for turn in turns})
    return Recipe(
        **shared.common(config, _modules(config, spec, axis_name), axis_name, disc),
        latent=latents.make(config, spec.num_examples),
        weights=weights,
        turns=turns,
        confidence=own.confidence,
        adaptive=own.adaptive,
        equal_from=(1 - own.equal_end) * config.steps if own.equal_end else math.inf,
        share_latent=config.share_latent,
    )


def _separate(batches: Sequence[str]) -> tuple[Turn, ...]:
    """An update for each batch, as of two Keras models that share their layers.

    The one of the classes and the one of the game each have an optimizer. The latter is set to
    not trainable before its first update, which leaves its weights to be trained, but not the
    running statistics (keras-team/keras#12353): those are of labelled images alone.
    """
    labelled = 'labelled' in batches
    return tuple(
        Turn((name,), 'classes', statistics=True)
        if name == 'labelled'
        else Turn((name,), 'game', statistics=not labelled)
        for name in batches
    )


def _refuse(config: Config, spec: DataSpec) -> None:
    own = config.semisupervised
    if not any(own[name] for name in DISC_TERMS):
        names = ', '.join(DISC_TERMS)
        raise UserError(f'config.semisupervised: one of {names} must be above 0')
    for name in GEN_TERMS:
        if own[name] and not own.adversarial:
            raise UserError(
                f'config.semisupervised.{name}={own[name]} is against a discriminator that'
                ' config.semisupervised.adversarial=0 does not train: set it to 0 too'
            )
    if spec.num_classes < 2:
        raise UserError(
            'config.task=semisupervised tells at least 2 classes apart, and config.data.name='
            f'{config.data.name} has {spec.num_classes or "none"} here; of a folder, the'
            ' sub-folders are the classes'
        )


def _modules(config: Config, spec: DataSpec, axis_name: str | None) -> Pair[nets.Net]:
    module = functools.partial(shared.module, config=config, spec=spec, axis_name=axis_name)
    return Pair(
        gen=module('gen', kind=nets.Kind.LATENT, num_classes=0),
        disc=module('disc', kind=nets.Kind.CLASSES, num_classes=spec.num_classes),
    )


def init(recipe: Recipe, spec: DataSpec) -> GanState:
    """A fresh state; see `shared.init`."""
    z = recipe.latent(jax.random.split(jax.random.key(0), 2))
    state = shared.init(recipe, Pair((z,), (jnp.zeros((2, *spec.image_shape)),)))
    if recipe.adaptive:
        state = state.replace(memory={'mass': jnp.full(spec.num_classes, 1 / spec.num_classes)})
    return state


def step(recipe: Recipe, state: GanState, batch: Batch[jax.Array]) -> tuple[GanState, Metrics]:
    """One training step on one device's share of the batch.

    Args:
      batch: image uint8 [2, B, H, W, C] and label int32 [2, B]: a labelled batch, and one whose
        labels nothing looks at.

    Returns:
      The next state, and float32 scalars averaged over devices, those of the terms that the
      recipe has: `loss_supervised` and `accuracy` on the labelled batch, `loss_d`, `d_real` =
      mean P(real) of the unlabelled and `d_fake` of the generated batch, `loss_pseudo` and
      `share_pseudo`, `loss_g`; and `grad_norm_g`, `grad_norm_d`.
    """
    chex.assert_axis_dimension(batch.image, 0, 2)
    key = rng.step_key(recipe.seed, state.step, state.rollbacks)
    labelled, unlabelled = images.normalise(batch.image, recipe.nets.gen.pixel_range)
    noise_std = recipe.noise_std and recipe.noise_std(state.step)
    game = shared.Game(
        recipe, rng.purpose_key(key, 'disc', 0), batch.label[0], state.step, noise_std
    )
    gen, disc = state.nets
    generated = game.generate(gen, recipe.latent(game.keys('latent')))
    guess, mass = pseudo_labels(recipe, state, unlabelled)
    batches = {
        'labelled': (labelled, batch.label[0]),
        'unlabelled': (unlabelled, guess),
        'fake': (generated.image, None),
    }
    disc, metrics = update_disc(game, disc, batches)
    if not recipe.share_latent:
        game = game._replace(key=rng.purpose_key(key, 'gen'))
        generated = game.generate(gen, recipe.latent(game.keys('latent')))
    gen, gen_metrics = update_gen(game, gen, disc, unlabelled, generated)
    state = state.replace(
        step=state.step + 1,
        nets=Pair(gen, disc),
        ema=shared.update_ema(recipe, state, Pair(gen, disc), recipe.equal_from),
        memory={'mass': game.average(mass)} if recipe.adaptive else state.memory,
    )
    return state, {**gen_metrics, **metrics}


def pseudo_labels(recipe: Recipe, state: GanState, image: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The classes that the averaged discriminator is sure of, and how often it sees each.

    It sees the images as they are, where the one in training sees them augmented (Sohn et al.
    2020, arXiv:2001.07685). An adaptive confidence is in proportion to the mass of the class,
    with that of the likeliest one as it is set (FreeMatch, Wang et al. 2023, arXiv:2205.07246,
    eq. 7 and 8).

    Returns:
      int32 [B], -1 for those that it is not sure of, and the mass of each class after these
      images, float32 [K]: the moving average of its probability.
    """
    disc = state.nets.disc
    logits = disc.apply_fn(state.ema.disc or disc.variables, image, train=False)
    shares, guess = jax.nn.softmax(logits), jnp.argmax(logits, axis=-1)
    mass, confidence = jnp.mean(shares, axis=0), jnp.array(recipe.confidence)
    if recipe.adaptive:
        old = state.memory['mass']
        confidence = confidence * (old / jnp.max(old))[guess]
        mass = MASS_DECAY * old + (1 - MASS_DECAY) * mass
    sure = jnp.max(shares, axis=-1) >= confidence
    return jnp.where(sure, guess, -1), mass


Loss = tuple[jax.Array, dict[str, jax.Array]]  # a scalar, and metrics
Average = Callable[[jax.Array], jax.Array]  # over devices


def _cross_entropy(logits: jax.Array, label: jax.Array) -> jax.Array:
    """The mean over all images of what those with a label (not -1) have."""
    known = jnp.maximum(label, 0)
    each = optax.softmax_cross_entropy_with_integer_labels(logits, known)
    return jnp.mean(jnp.where(label >= 0, each, 0.0))


def _supervised(logits: jax.Array, label: jax.Array, average: Average) -> Loss:
    del average
    loss = _cross_entropy(logits, label)
    right = jnp.mean(jnp.argmax(logits, axis=-1) == label, dtype=jnp.float32)
    return loss, {'loss_supervised': loss, 'accuracy': right}


def _pseudo(logits: jax.Array, label: jax.Array, average: Average) -> Loss:
    del average
    loss = _cross_entropy(logits, label)
    return loss, {
        'loss_pseudo': loss,
        'share_pseudo': jnp.mean(label >= 0, dtype=jnp.float32),
    }


def _marginal(logits: jax.Array, label: jax.Array, average: Average) -> Loss:
    """The negative entropy of the mean share of each class (Krause et al. 2010, eq. 4)."""
    del label
    share = average(jnp.mean(jax.nn.softmax(logits), axis=0))
    return jnp.sum(share * jnp.log(share + 1e-8)), {}


def _real(logits: jax.Array, label: jax.Array, average: Average) -> Loss:
    """-log P(real) = softplus(-logsumexp(l))."""
    del label, average
    evidence = logsumexp(logits, axis=-1)
    loss = jnp.mean(softplus(-evidence))
    return loss, {'loss_d': loss, 'd_real': jnp.mean(sigmoid(evidence))}


def _fake(logits: jax.Array, label: None, average: Average) -> Loss:
    """-log(1 - P(real)) = softplus(logsumexp(l))."""
    del label, average
    evidence = logsumexp(logits, axis=-1)
    loss = jnp.mean(softplus(evidence))
    return loss, {'loss_d': loss, 'd_fake': jnp.mean(sigmoid(evidence))}


# What a weight of the config is of: functions of logits, labels and the average over devices.
DISC_TERMS: Mapping[str, Mapping[str, Callable[..., Loss]]] = {
    'supervised': {'labelled': _supervised},
    'adversarial': {'unlabelled': _real, 'fake': _fake},
    'pseudo': {'unlabelled': _pseudo},
    'marginal': {'unlabelled': _marginal},
}


def update_disc(
    game: shared.Game[Recipe],
    disc: NetState,
    batches: Mapping[str, tuple[jax.Array, jax.Array | None]],
) -> tuple[NetState, Metrics]:
    """The discriminator's updates in a step, one for each turn; of labels -1 is none."""
    recipe = game.recipe
    metrics: dict[str, jax.Array] = {}
    all_grads = []
    for turn in recipe.turns:
        seen = {name: (game.augment(batches[name][0], name),) for name in turn.batches}
        objective = functools.partial(_objective, game, disc, seen, batches)
        (_, (stats, found)), grads = jax.value_and_grad(objective, has_aux=True)(disc.params)
        grads, stats, found = game.average((grads, stats, found))
        updates, opt_state = disc.tx.update(grads, disc.opt_state, disc.params, turn=turn.optimizer)
        disc = disc.replace(
            step=disc.step + 1,
            params=optax.apply_updates(disc.params, updates),
            opt_state=opt_state,
            batch_stats=stats if turn.statistics else disc.batch_stats,
        )
        metrics = _sum(metrics, found)
        all_grads.append(grads)
    return disc, metrics | {'grad_norm_d': game.norm(all_grads)}


def _objective(
    game: shared.Game[Recipe],
    disc: NetState,
    seen: Mapping[str, tuple[jax.Array]],
    batches: Mapping[str, tuple[jax.Array, jax.Array | None]],
    params: Any,
) -> tuple[jax.Array, tuple[shared.Stats, dict[str, jax.Array]]]:
    """The weighted terms of the batches that are seen, D's statistics after, and metrics."""
    logits, stats = game.apply_each(disc, params, seen)
    total = jnp.zeros(())
    metrics: dict[str, jax.Array] = {}
    for name, weight in game.recipe.weights.items():
        for batch, term in DISC_TERMS.get(name, {}).items():
            if batch in seen:
                loss, found = term(logits[batch], batches[batch][1], game.average)
                total += weight * loss
                metrics = _sum(metrics, found)
    return total, (stats, metrics)


def _sum(metrics: dict[str, jax.Array], more: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
    return metrics | {name: metrics.get(name, 0.0) + value for name, value in more.items()}


Seen = tuple[jax.Array, jax.Array]  # logits [B, K] and features [B, F]


def _fool(game: shared.Game[Recipe], fake: Seen, real: Seen) -> jax.Array:
    """-log P(real) of what was generated."""
    del game, real
    return jnp.mean(softplus(-logsumexp(fake[0], axis=-1)))


def _match(game: shared.Game[Recipe], fake: Seen, real: Seen) -> jax.Array:
    """Feature matching: the mean square of E f(x) - E f(G(z)) (arXiv:1606.03498, section 3.1)."""

    def mean(features: jax.Array) -> jax.Array:
        return game.average(jnp.mean(features, axis=0))

    return jnp.mean(jnp.square(mean(real[1]) - mean(fake[1])))


GEN_TERMS: Mapping[str, Callable[[shared.Game[Recipe], Seen, Seen], jax.Array]] = {
    'non_saturating': _fool,
    'matching': _match,
}


TERMS = (*DISC_TERMS, *GEN_TERMS)


def update_gen(
    game: shared.Game[Recipe],
    gen: NetState,
    disc: NetState,
    real: jax.Array,
    generated: shared.Generated,
) -> tuple[NetState, Metrics]:
    """One update of the generator through the discriminator, if the recipe has a term for it."""
    terms = {name: w for name, w in game.recipe.weights.items() if name in GEN_TERMS}
    if not terms:
        return gen, {}

    def seen(image: jax.Array, purpose: str) -> Seen:
        view = game.augment(image, purpose)
        return game.apply(disc, disc.params, view, purpose=purpose, return_features=True)[0]

    def objective(image: jax.Array) -> jax.Array:
        # XLA drops the pass of the real images where no term looks at it.
        pair = seen(image, 'fake'), seen(real, 'unlabelled')
        parts = (weight * GEN_TERMS[name](game, *pair) for name, weight in terms.items())
        return sum(parts, start=jnp.zeros(()))

    loss, fake_grad = jax.value_and_grad(objective)(generated.image)
    (grads,) = generated.pullback(fake_grad)
    grads, stats, loss = game.average((grads, generated.stats, loss))
    metrics = {'loss_g': loss, 'grad_norm_g': game.norm(grads)}
    return gen.apply_gradients(grads=grads, batch_stats=stats), metrics


def classifier_variables(state: GanState) -> Any:
    """The variables that classify out of training: the average's if there is one."""
    return state.ema.disc or state.nets.disc.variables


def classify(
    modules: Pair[nets.Net], state: GanState, image: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Logits [N, K] and features [N, F] of images as stored, by the averaged discriminator."""
    return _classes(modules, classifier_variables(state), image)


def probabilities(modules: Pair[nets.Net], variables: Any, image: jax.Array) -> jax.Array:
    """Probabilities of each class, float32 [N, K], for images as stored."""
    return jax.nn.softmax(_classes(modules, variables, image)[0])


def _classes(
    modules: Pair[nets.Net], variables: Any, image: jax.Array
) -> tuple[jax.Array, jax.Array]:
    pixels = images.normalise(image, modules.gen.pixel_range)
    found: Any = modules.disc.apply(variables, pixels, train=False, return_features=True)
    return found


def judge(module: nets.Net, variables: Any, image: jax.Array, label: jax.Array) -> jax.Array:
    """The logit of P(real), float32 [N], with the statistics of these images."""
    del label
    logits, _ = module.apply(variables, image, train=True, mutable=['batch_stats'])
    return logsumexp(logits, axis=-1)
