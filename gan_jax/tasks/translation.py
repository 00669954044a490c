"""Translation of images into images: a generator against a discriminator of pairs (pix2pix).

A training image is a pair, the input on the left and on the right the photo that it is to become.
The discriminator sees the input beside the photo, or beside what the generator made of it, and
gives a logit for each patch; the generator also minimises its distance to the photo: L1 (Isola
et al. 2017, arXiv:1611.07004, eq. 4) and the others of TERMS, each with a weight in the config.
One step updates the discriminator, then the generator, both on the same images.

Out of training images are translated one by one, and always by the same compiled function: in a
run's previews, its evaluation and the command `translate` (`gan_jax.states.Translator`).
"""

from collections.abc import Callable, Mapping
import dataclasses
import functools
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
import numpy as np

from gan_jax import losses, nets, optimizers, rng
from gan_jax.errors import UserError
from gan_jax.fields import Config
from gan_jax.io import images
from gan_jax.pretrained import perceptual
from gan_jax.states import GanState, Metrics, NetState, Part, Task, Translator
from gan_jax.tasks import shared
from gan_jax.types import Batch, DataSpec, Pair

BATCH_STATISTICS = 'image', 'running'


@dataclasses.dataclass(frozen=True, eq=False)
class Recipe(shared.Recipe):
    """The constants of a training run."""

    loss: Pair[losses.LossFn]  # functions of (real_logits, fake_logits) for each network
    # of the distances to the photo in `TERMS`, without those that are 0
    weights: Mapping[str, float]
    # of a frozen net, for the term 'perceptual' and a discriminator that takes them; None where
    # nothing does
    maps: perceptual.Maps | None
    disc_weight: float  # of the discriminator's loss


def make(config: Config, spec: DataSpec, *, axis_name: str | None) -> Task:
    """The task of `config` on pairs of `spec`. See `gan_jax.states.Task`."""
    recipe = make_recipe(config, spec, axis_name)
    translator = make_translator(config, _modules(config, spec, None).gen)
    return Task(
        init=functools.partial(init, recipe, spec),
        step=functools.partial(step, recipe),
        preview=functools.partial(preview, translator),
        sampler=None,
        translator=translator,
        parts={'generator': make_part(translator)},
        shown=config.num_samples,
    )


def pools(config: Config) -> tuple[str, ...]:
    """One batch of pairs."""
    return ('in_turn',)


def make_recipe(config: Config, spec: DataSpec, axis_name: str | None) -> Recipe:
    """Reads the config into a Recipe.

    Raises:
      UserError: a field has a value that this task does nothing with, or the data are no pairs.
    """
    _refuse(config, spec)
    modules = _modules(config, spec, axis_name)
    disc = optimizers.make(config.disc.optimizer, config.steps)
    return Recipe(
        **shared.common(config, modules, axis_name, disc),
        loss=losses.make(config.loss, config.label_smoothing, modules.disc.judges()),
        weights={name: config.translation[name] for name in TERMS if config.translation[name]},
        maps=_maps(config, modules.disc),
        disc_weight=config.translation.disc_weight,
    )


def _maps(config: Config, disc: nets.Net) -> perceptual.Maps | None:
    own = config.translation
    if disc.takes_maps:
        return perceptual.make(own.frozen, f'config.disc.net.name={config.disc.net.name}')
    if own.perceptual:
        return perceptual.make(own.frozen, f'config.translation.perceptual={own.perceptual}')
    return None


def _refuse(config: Config, spec: DataSpec) -> None:
    if spec.panels != 2:
        raise UserError(
            f'config.task=translation needs pairs, and config.data.name={config.data.name} has'
            ' single images: set config.data.name=pairs, and config.data.input'
        )


def _modules(config: Config, spec: DataSpec, axis_name: str | None) -> Pair[nets.Net]:
    spec = spec._replace(image_shape=panel_shape(spec))
    module = functools.partial(
        shared.module, config=config, spec=spec, axis_name=axis_name, num_classes=0
    )
    return Pair(
        gen=module('gen', kind=nets.Kind.TRANSLATION), disc=module('disc', kind=nets.Kind.PATCHES)
    )


def panel_shape(spec: DataSpec) -> tuple[int, int, int]:
    """(H, W, C) of one image of a pair."""
    height, width, channels = spec.image_shape
    return height, width // 2, channels


def init(recipe: Recipe, spec: DataSpec) -> GanState:
    """A fresh state; see `shared.init`."""
    image = jnp.zeros((2, *panel_shape(spec)))
    maps = _empty(jax.eval_shape(recipe.maps, image)) if recipe.maps else []
    state = shared.init(recipe, Pair((image,), (image, image, *_taken(recipe, maps))))
    if 'perceptual' not in recipe.weights:
        return state
    return state.replace(memory={'perceptual': perceptual.start(maps)})


def _empty(shapes: list[jax.ShapeDtypeStruct]) -> list[jax.Array]:
    return [jnp.zeros(x.shape, x.dtype) for x in shapes]


def _taken(recipe: Recipe, maps: list[jax.Array]) -> tuple[list[jax.Array], ...]:
    """The maps of an image by a frozen net that the discriminator takes."""
    return (maps,) if recipe.nets.disc.takes_maps else ()


def step(recipe: Recipe, state: GanState, batch: Batch[jax.Array]) -> tuple[GanState, Metrics]:
    """One training step on one device's share of the batch.

    Args:
      batch: image uint8 [1, B, H, 2 W, C], the input on the left; labels are not looked at.

    Returns:
      The next state, and float32 scalars averaged over devices: `loss_g`, the adversarial part of
      what the generator minimises; `l1`, the mean distance of what it makes in training to the
      photo, pixels in [-1, 1], and each other of TERMS that has a weight; `loss_d` with its
      weight; `d_real`, `d_fake`, the means of sigmoid(D) over patches; `grad_norm_g`,
      `grad_norm_d`.
    """
    chex.assert_axis_dimension(batch.image, 0, 1)
    key = rng.step_key(recipe.seed, state.step, state.rollbacks)
    given, photo = split(images.normalise(batch.image[0], recipe.nets.gen.pixel_range))
    noise_std = recipe.noise_std and recipe.noise_std(state.step)
    game = shared.Game(
        recipe, rng.purpose_key(key, 'disc', 0), batch.label[0], state.step, noise_std
    )
    gen, disc = state.nets
    generated = game.generate(gen, given)
    sight = look(recipe, photo, generated.image)
    memory = _remember(game, state, sight)
    disc, disc_metrics = update_disc(game, disc, given, photo, generated.image, sight)
    gen, gen_metrics = update_gen(game, gen, disc, given, photo, generated, sight, memory)
    state = state.replace(
        step=state.step + 1,
        memory=memory,
        nets=Pair(gen, disc),
        ema=shared.update_ema(recipe, state, Pair(gen, disc)),
    )
    return state, {**gen_metrics, **disc_metrics}


def split(pairs: jax.Array) -> tuple[jax.Array, jax.Array]:
    """[..., H, 2 W, C] -> the inputs and the photos, both [..., H, W, C]."""
    given, photo = jnp.split(pairs, 2, axis=-2)
    return given, photo


class Sight(NamedTuple):
    """A frozen net's maps of a step's images, computed once; empty without such a net."""

    real: list[jax.Array]  # of the photos and of what was generated, float32 [B, h, w, C]
    fake: list[jax.Array]  # of the photos and of what was generated, float32 [B, h, w, C]
    # d loss / d fake -> (d loss / d generated image,)
    pullback: Callable[[list[jax.Array]], tuple[jax.Array]]


def look(recipe: Recipe, photo: jax.Array, generated: jax.Array) -> Sight:
    """Both through the frozen net, as they are: without augmentation and noise."""
    maps = recipe.maps or (lambda image: [])
    return Sight(maps(photo), *jax.vjp(maps, generated))


def _remember(game: shared.Game[Recipe], state: GanState, sight: Sight) -> dict[str, Any]:
    """The memory after these photos."""
    return {
        name: perceptual.update(moments, sight.real, state.step, game.average)
        for name, moments in state.memory.items()
    }


def _seen(
    game: shared.Game[Recipe],
    image: jax.Array,
    given: jax.Array,
    maps: list[jax.Array],
    purpose: str,
) -> tuple[Any, ...]:
    """The discriminator's input: an image and what it is, or pretends to be, made from.

    Both are augmented in the same way, and only the image has noise. The maps are the image's.
    """
    views = game.augment(image, purpose), game.augment(given, purpose, noise=False)
    return *views, *_taken(game.recipe, maps)


def update_disc(
    game: shared.Game[Recipe],
    disc: NetState,
    given: jax.Array,
    photo: jax.Array,
    fake: jax.Array,
    sight: Sight,
) -> tuple[NetState, Metrics]:
    """One update of the discriminator, on the photos and on what was made of their inputs."""
    both = {
        'real': _seen(game, photo, given, sight.real, 'real'),
        'fake': _seen(game, fake, given, sight.fake, 'fake'),
    }

    def objective(params: Any) -> tuple[jax.Array, tuple[shared.Stats, dict[str, jax.Array]]]:
        logits, stats = game.apply_each(disc, params, both)
        real_logits, fake_logits = logits.values()
        loss = game.recipe.disc_weight * jnp.mean(game.recipe.loss.disc(real_logits, fake_logits))
        metrics = {
            'loss_d': loss,
            'd_real': jnp.mean(jax.nn.sigmoid(real_logits)),
            'd_fake': jnp.mean(jax.nn.sigmoid(fake_logits)),
        }
        return loss, (stats, metrics)

    (_, (stats, metrics)), grads = jax.value_and_grad(objective, has_aux=True)(disc.params)
    grads, stats, metrics = game.average((grads, stats, metrics))
    metrics['grad_norm_d'] = game.norm(grads)
    return disc.apply_gradients(grads=grads, batch_stats=stats), metrics


class Compared(NamedTuple):
    """An image of the generator's and what it should be."""

    fake: jax.Array  # float32 [B, H, W, C]
    photo: jax.Array  # float32 [B, H, W, C]
    fake_hidden: list[jax.Array]  # the discriminator's hidden maps of both, augmented alike
    photo_hidden: list[jax.Array]  # the discriminator's hidden maps of both, augmented alike
    fake_maps: list[jax.Array]  # a frozen net's, of both as they are
    photo_maps: list[jax.Array]  # a frozen net's, of both as they are
    moments: perceptual.Moments  # of the latter's channels


def _l1(of: Compared) -> jax.Array:
    return jnp.mean(jnp.abs(of.fake - of.photo))


def _perceptual(of: Compared) -> jax.Array:
    """See `gan_jax.pretrained.perceptual`."""
    return perceptual.distance(of.fake_maps, of.photo_maps, of.moments)


def _matching(of: Compared) -> jax.Array:
    """Feature matching: L1 of D's hidden maps (Wang et al. 2018, arXiv:1711.11585, eq. 4).

    The mean over layers, where the paper has their sum.
    """
    pairs = zip(of.fake_hidden, of.photo_hidden, strict=True)
    return jnp.mean(jnp.stack([jnp.mean(jnp.abs(fake - photo)) for fake, photo in pairs]))


# What a weight of config.translation is of.
TERMS: Mapping[str, Callable[[Compared], jax.Array]] = {
    'l1': _l1,
    'perceptual': _perceptual,
    'matching': _matching,
}


def update_gen(
    game: shared.Game[Recipe],
    gen: NetState,
    disc: NetState,
    given: jax.Array,
    photo: jax.Array,
    generated: shared.Generated,
    sight: Sight,
    memory: Mapping[str, Any],
) -> tuple[NetState, Metrics]:
    """One update of the generator through the discriminator, whose statistics stay as they are."""
    recipe = game.recipe

    def judged(
        image: jax.Array, maps: list[jax.Array], purpose: str
    ) -> tuple[jax.Array, list[jax.Array]]:
        seen = _seen(game, image, given, maps, purpose)
        return game.apply(disc, disc.params, *seen, purpose='gen', return_features=True)[0]

    def objective(fake: jax.Array, maps: list[jax.Array]) -> tuple[jax.Array, dict[str, jax.Array]]:
        # XLA drops what nothing looks at: only relativistic losses and `matching` see the photo.
        logits, hidden = judged(fake, maps, 'fake')
        loss = jnp.mean(recipe.loss.gen(judged(photo, sight.real, 'real')[0], logits))
        real_hidden = judged(photo, sight.real, 'fake')[1]
        moments = memory.get('perceptual', [])
        of = Compared(fake, photo, hidden, real_hidden, maps, sight.real, moments)
        found = {name: TERMS[name](of) for name in {'l1': None, **recipe.weights}}
        total = loss + sum(weight * found[name] for name, weight in recipe.weights.items())
        return total, {'loss_g': loss, **found}

    gradients = jax.grad(objective, argnums=(0, 1), has_aux=True)
    (of_pixels, of_maps), metrics = gradients(generated.image, sight.fake)
    (through_maps,) = sight.pullback(of_maps)
    (grads,) = generated.pullback(of_pixels + through_maps)
    grads, stats, metrics = game.average((grads, generated.stats, metrics))
    metrics['grad_norm_g'] = game.norm(grads)
    return gen.apply_gradients(grads=grads, batch_stats=stats), metrics


def make_translator(config: Config, generator: nets.Net) -> Translator:
    """Translates as `config.translation` says, by the averaged generator if there is one.

    Args:
      generator: without collectives.
    """
    call = functools.partial(
        translate,
        generator,
        batch_statistics=config.translation.batch_statistics == 'image',
        dropout=config.translation.dropout,
    )

    @jax.jit
    def pixels(variables: Any, image: jax.Array, seed: jax.Array) -> jax.Array:
        return images.to_uint8(call(variables, image, seed), generator.pixel_range)

    def one(variables: Any, image: np.ndarray, seed: int = 0) -> np.ndarray:
        inputs = jax.device_put((image[None], np.uint32(seed)))
        return jax.device_get(pixels(variables, *inputs))[0]

    return Translator(
        variables=shared.generator_variables,
        call=call,
        translate=one,
        image_shape=generator.image_shape,
    )


def make_part(translator: Translator) -> Part:
    """The generator of images, uint8 [N, H, W, C] to float32 in [0, 1], with dropout of seed 0."""

    def call(variables: Any, image: jax.Array) -> jax.Array:
        return (translator.call(variables, image, np.uint32(0)) + 1) / 2

    inputs = {'image': jax.ShapeDtypeStruct(translator.image_shape, jnp.uint8)}
    return Part(translator.variables, call, inputs)


def translate(
    generator: nets.Net,
    variables: Any,
    image: jax.Array,
    seed: ArrayLike,
    *,
    batch_statistics: bool,
    dropout: bool,
) -> jax.Array:
    """Each image as if it were alone.

    Args:
      generator: without collectives.
      image: uint8 [N, H, W, any].
      seed: of dropout, a scalar; the same for every image.
      batch_statistics: whether batch norm takes the image's own statistics, not the running ones.
      dropout: whether there is any.

    Returns:
      float32 [N, H, W, C] in the generator's range.
    """
    rngs = {'dropout': rng.purpose_key(jax.random.key(seed), 'translate')}

    def one(image: jax.Array) -> jax.Array:
        made: Any = generator.apply(
            variables,
            image[None],
            rngs=rngs,
            train=False,
            batch_statistics=batch_statistics,
            dropout=dropout,
        )
        return made[0]

    return jax.vmap(one)(images.normalise(image, generator.pixel_range))


def preview(translator: Translator, state: GanState, shown: Batch[np.ndarray]) -> np.ndarray:
    """Input, output and photo side by side, uint8 [N, H, 3 W, C]; see `Task.preview`."""
    variables = jax.tree.map(lambda leaf: leaf.addressable_data(0), translator.variables(state))
    given, photo = np.split(np.asarray(shown.image), 2, axis=2)
    made = np.stack([translator.translate(variables, image) for image in given])
    return np.concatenate([given, made, photo], axis=2)


def inspect(config: Config, batch: Batch[jax.Array]) -> jax.Array:
    """Real pairs [N, H, 2 W, C] as the discriminator sees them, drawn as in step 0; uint8."""
    given, photo = split(batch.image)
    return jnp.concatenate(
        [
            shared.inspect(config, batch._replace(image=given), noise=False),
            shared.inspect(config, batch._replace(image=photo)),
        ],
        axis=2,
    )
