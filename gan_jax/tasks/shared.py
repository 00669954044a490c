"""Functions that every task shares: make, initialise, apply and average two networks.

A task adds which updates a step makes and what they minimise.
"""

from collections.abc import Callable, Mapping
import dataclasses
import functools
import math
from typing import Any, Generic, NamedTuple, TypeVar

from flax import linen as nn
import jax
import jax.numpy as jnp
import optax

from gan_jax import augment, nets, optimizers, rng
from gan_jax.data import classes
from gan_jax.fields import Config
from gan_jax.io import images
from gan_jax.ops import target
from gan_jax.states import UNMEASURED, GanState, Logits, NetState, Part, Sampler
from gan_jax.tasks import latents
from gan_jax.types import Batch, DataSpec, Pair

Stats = Any  # a network's batch_stats


@dataclasses.dataclass(frozen=True, eq=False)
class Recipe:
    """All of a GAN that does not change while it trains; a task adds fields of its own."""

    nets: Pair[nets.Net]  # with collectives over `axis_name`
    optimizers: Pair[optax.GradientTransformation]
    augment: augment.Policy  # of all that the discriminator sees
    augment_p: float  # with this probability
    # step -> standard deviation of the instance noise; None without any
    noise_std: Callable[[jax.Array], jax.Array | float] | None
    ema_decay: Pair[float]  # of each network's moving average; 0: none
    started: bool  # whether the first parameters are another run's
    seed: int
    log_every: int  # steps between those of which the norms of gradients are taken on a GPU
    axis_name: str | None


R = TypeVar('R', bound=Recipe)


def common(
    config: Config,
    modules: Pair[nets.Net],
    axis_name: str | None,
    disc: optax.GradientTransformation,
) -> dict[str, Any]:
    """The fields of a `Recipe`, from the config; `disc` updates the discriminator."""
    gen = optimizers.make(config.gen.optimizer, config.steps)
    return dict(
        nets=modules,
        optimizers=Pair(gen, optimizers.freezing(disc, config.disc.freeze)),
        augment=augment.make(config.augment),
        augment_p=config.augment_p,
        noise_std=_noise_schedule(config.instance_noise.std, config.instance_noise.decay_steps),
        ema_decay=Pair(config.gen.ema_decay, config.disc.ema_decay),
        started=bool(config.start_from),
        seed=config.seed,
        log_every=config.log_every,
        axis_name=axis_name,
    )


def module(
    role: str,
    config: Config,
    spec: DataSpec,
    axis_name: str | None,
    *,
    kind: nets.Kind,
    num_classes: int,
) -> nets.Net:
    """The config's network for a role, 'gen' or 'disc'.

    Raises:
      UserError: it does not exist, is of another kind, or is not for such images or classes.
    """
    return nets.build(
        role,
        config[role].net.to_dict(),
        kind=kind,
        image_shape=spec.image_shape,
        num_classes=num_classes,
        attributes=spec.attributes,
        dtype=jnp.dtype(config.precision),
        axis_name=axis_name,
        batch_norm=config.batch_norm,
    )


def _noise_schedule(
    std: float, decay_steps: int
) -> Callable[[jax.Array], jax.Array | float] | None:
    if not std:
        return None
    if not decay_steps:
        return lambda step: std
    return lambda step: std * jnp.maximum(0.0, 1 - step.astype(jnp.float32) / decay_steps)


def init(recipe: Recipe, inputs: Pair[tuple[Any, ...]]) -> GanState:
    """A fresh state of step 0, with parameters from the seed; of `inputs` only shapes count."""
    # Parameters do not depend on devices, and there is no axis to average over here.
    modules = jax.tree.map(
        lambda net: net.clone(axis_name=None),
        recipe.nets,
        is_leaf=lambda x: isinstance(x, nn.Module),
    )

    def net_state(role: str) -> NetState:
        module: nets.Net = getattr(modules, role)
        key = rng.purpose_key(jax.random.key(recipe.seed), 'init', role)
        variables = module.init(key, *getattr(inputs, role), train=False)
        state = NetState.create(
            apply_fn=getattr(recipe.nets, role).apply,
            params=variables['params'],
            batch_stats=variables.get('batch_stats', {}),
            tx=getattr(recipe.optimizers, role),
        )
        return state.replace(step=jnp.zeros((), jnp.int32))  # Flax's own 0 is weakly typed

    pair = Pair(gen=net_state('gen'), disc=net_state('disc'))
    ema = Pair(
        *(
            jax.tree.map(jnp.copy, net.variables) if decay else {}
            for net, decay in zip(pair, recipe.ema_decay, strict=True)
        )
    )
    # Two arrays, as one buffer cannot be donated twice.
    counts = jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32)
    return GanState(*counts, nets=pair, ema=ema)


class Generated(NamedTuple):
    """Images from the generator and the way back to its parameters."""

    image: jax.Array  # float32 [B, H, W, C]
    pullback: Callable[[jax.Array], tuple[Any]]  # d loss / d image -> (d loss / d params,)
    stats: Stats  # after this pass


class Game(NamedTuple, Generic[R]):
    """The recipe, the randomness and the labels that both networks share in one update."""

    recipe: R  # the GAN
    key: jax.Array  # of this update; each use derives its own
    label: jax.Array  # int32 [B], of the real images
    step: jax.Array  # steps made before this one
    noise_std: jax.Array | float | None  # of the instance noise now; None without any
    augment_p: jax.Array | None = None  # probability of the augmentation now; None: the recipe's

    def keys(self, *purpose: str) -> jax.Array:
        """One key an example for this purpose, [B]."""
        key = rng.purpose_key(self.key, *purpose)
        return rng.example_keys(key, len(self.label), self.recipe.axis_name)

    def generate(self, gen: NetState, *inputs: jax.Array) -> Generated:
        """G(*inputs)."""

        def forward(params: Any) -> tuple[jax.Array, Stats]:
            return self.apply(gen, params, *inputs, purpose='generator')

        image, pullback, stats = jax.vjp(forward, gen.params, has_aux=True)
        return Generated(image, pullback, stats)

    def augment(self, image: jax.Array, purpose: str, noise: bool = True) -> jax.Array:
        """Images as the discriminator sees them: augmented, then with instance noise.

        Both are defined for pixels in [-1, 1], whatever the networks' range is. Without `noise`
        there is only the augmentation, which for one purpose is the same.
        """
        low, high = self.recipe.nets.gen.pixel_range
        scale, middle = (high - low) / 2, (high + low) / 2
        image = disturb(
            (image - middle) / scale,
            self.recipe.augment,
            self.recipe.augment_p if self.augment_p is None else self.augment_p,
            self.noise_std if noise else None,
            lambda use: self.keys(use, purpose),
        )
        return image * scale + middle

    def apply(
        self, net: NetState, params: Any, *inputs: Any, purpose: str, **options: Any
    ) -> tuple[Any, Stats]:
        """A training pass: the network's output, and its statistics after."""
        return self._pass(net, params, inputs, self._dropout_key(purpose), options)

    def apply_each(
        self,
        net: NetState,
        params: Any,
        batches: Mapping[str, tuple[Any, ...]],
        **options: Any,
    ) -> tuple[dict[str, Any], Stats]:
        """`apply` to several batches of inputs, by purpose.

        One pass, so that every kernel is read once, but batch norm takes the statistics of each
        batch apart; the running ones move by the mean of all.
        """
        keys = jnp.stack([self._dropout_key(purpose) for purpose in batches])

        def each(inputs: tuple[Any, ...], key: jax.Array) -> tuple[Any, Stats]:
            return self._pass(net, params, inputs, key, options)

        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *batches.values())
        out, stats = jax.vmap(each)(stacked, keys)
        by_purpose = {
            purpose: jax.tree.map(lambda leaf, k=k: leaf[k], out)
            for k, purpose in enumerate(batches)
        }
        return by_purpose, jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), stats)

    def _dropout_key(self, purpose: str) -> jax.Array:
        return rng.purpose_key(self.key, 'dropout', purpose)

    def _pass(
        self,
        net: NetState,
        params: Any,
        inputs: tuple[Any, ...],
        dropout_key: jax.Array,
        options: Mapping[str, Any],
    ) -> tuple[Any, Stats]:
        out, updated = net.apply_fn(
            {'params': params, 'batch_stats': net.batch_stats},
            *inputs,
            train=True,
            mutable=['batch_stats'],
            rngs={'dropout': dropout_key},
            **options,
        )
        return out, updated.get('batch_stats', {})

    def average(self, tree: Any) -> Any:
        """The mean over devices, all leaves in one collective."""
        axis_name = self.recipe.axis_name
        # A collective of one device would still copy every leaf.
        if axis_name is None or jax.lax.axis_size(axis_name) == 1:
            return tree
        return jax.lax.pmean(tree, axis_name)

    def norm(self, grads: Any) -> jax.Array:
        """The Euclidean norm of gradients; on a GPU UNMEASURED but in steps that are logged.

        There it would take a tenth of a step's kernels. It is a loop of one turn or none: both
        branches of a condition would be computed.
        """
        if not target.is_gpu():
            return norm(grads)
        turns = ((self.step + 1) % self.recipe.log_every == 0).astype(jnp.int32)
        return jax.lax.fori_loop(0, turns, lambda *_: norm(grads), jnp.float32(UNMEASURED))


def disturb(
    image: jax.Array,
    augmentation: augment.Policy,
    augment_p: jax.Array | float,
    noise_std: jax.Array | float | None,
    keys: Callable[[str], jax.Array],
) -> jax.Array:
    """Augments images in [-1, 1], float32 [B, H, W, C], and adds noise; keys: use -> [B]."""
    image = augmentation(image, keys('augment'), augment_p)
    if noise_std is not None:
        image = image + noise_std * rng.normal(keys('noise'), image.shape[1:])
    return image


def norm(tree: Any) -> jax.Array:
    """The Euclidean norm of all leaves.

    As inner products: squares would be shared with Adam's second moments, and so written out.
    """
    exact = jax.lax.Precision.HIGHEST
    return jnp.sqrt(sum(jnp.vdot(x, x, precision=exact) for x in jax.tree.leaves(tree)))


def update_ema(
    recipe: Recipe, state: GanState, nets: Pair[NetState], equal_from: float = math.inf
) -> Pair[Any]:
    """The moving averages of both networks after an update of `state`; {} stays {}.

    The decay starts low, min(decay, (1 + n) / (10 + n)) at the n-th update, so that a
    short run is not held back by its initial parameters. Those of another run do not.

    Args:
      equal_from: a step from which all count alike, as soon as that is a longer average (Izmailov
        et al. 2018, arXiv:1803.05407).
    """
    step = state.step.astype(jnp.float32)
    warm = (1 + step) / (10 + step)
    equal = 1 - 1 / jnp.maximum(step - equal_from + 1, 1)

    def one(old: Any, net: NetState, decay: float) -> Any:
        weight = jnp.maximum(decay if recipe.started else jnp.minimum(decay, warm), equal)
        blend = functools.partial(jax.tree.map, lambda a, b: weight * a + (1 - weight) * b)
        return blend(old, net.variables) if old else old

    return Pair(*map(one, state.ema, nets, recipe.ema_decay))


def generator_variables(state: GanState) -> Any:
    """The variables that make images out of training: the average's if there is one."""
    return state.ema.gen or state.nets.gen.variables


def make_sampler(latent: latents.Latent, generator: nets.Net, spec: DataSpec) -> Sampler:
    """Draws latents, and images from the averaged generator if there is one; no collectives."""

    def generate(state: GanState, z: jax.Array, label: jax.Array) -> jax.Array:
        image: Any = generator.apply(generator_variables(state), z, label, train=False)
        return images.to_levels(image, generator.pixel_range, spec.dtype)

    return Sampler(
        latent=lambda key, count, truncation=1.0: latent(
            rng.example_keys(key, count, None), truncation
        ),
        generate=generate,
        num_classes=generator.num_classes,
        mixed=classes.in_proportion(spec.counts) if generator.num_classes else (),
    )


def make_part(config: Config, latent: latents.Latent, generator: nets.Net) -> Part:
    """The generator of a latent, and of a class if it has some: float32 [N, H, W, C] in [0, 1].

    Where the prior is a mixture, whose latents a caller could not draw, it takes a seed in their
    place.
    """
    low, high = generator.pixel_range

    def of_latent(variables: Any, z: jax.Array, *label: jax.Array) -> jax.Array:
        known = label[0] if label else jnp.zeros_like(z[:, 0], jnp.int32)
        image: Any = generator.apply(variables, z, known, train=False)
        return (image - low) / (high - low)

    def of_seed(variables: Any, seed: jax.Array, *label: jax.Array) -> jax.Array:
        return of_latent(variables, latent(jax.vmap(jax.random.key)(seed)), *label)

    more = {'label': jax.ShapeDtypeStruct((), jnp.int32)} if generator.num_classes else {}
    z = {'z': jax.ShapeDtypeStruct((config.latent_dim,), jnp.float32)}
    plain = Part(generator_variables, of_latent, {**z, **more})
    if not config.latent_mixture.components:
        return plain
    seed = {'seed': jax.ShapeDtypeStruct((), jnp.uint32)}
    return Part(generator_variables, of_seed, {**seed, **more}, plain)


def make_preview(sampler: Sampler, seed: int, count: int) -> Callable[[GanState, Any], jax.Array]:
    """A task's `preview` of `count` latents, always the same; classes in turn."""

    @jax.jit
    def images_of(state: GanState) -> jax.Array:
        z = sampler.latent(rng.purpose_key(jax.random.key(seed), 'preview'), count)
        label = jnp.asarray(sampler.label(count))
        return sampler.generate(state, z, label)

    return lambda state, shown: images_of(state)


def make_logits(
    modules: Pair[nets.Net],
    latent: latents.Latent,
    judge: Callable[[nets.Net, Any, jax.Array, jax.Array], jax.Array],
) -> Logits:
    """A task's `logits`: real images against generated ones of the same classes.

    Args:
      judge: (module, variables, image float32 [N, H, W, C], label int32 [N]) -> float32 [N].
    """
    disc_net = modules.disc.eval_mode()

    def logits(
        state: GanState, key: jax.Array, batch: Batch[jax.Array]
    ) -> tuple[jax.Array, jax.Array]:
        gen, disc = state.nets
        z = latent(rng.example_keys(key, len(batch.label), None))
        fake, _ = modules.gen.apply(
            gen.variables, z, batch.label, train=True, mutable=['batch_stats']
        )
        real = images.normalise(batch.image, modules.gen.pixel_range)
        judged = [judge(disc_net, disc.variables, image, batch.label) for image in (real, fake)]
        return judged[0], judged[1]

    return logits


def inspect(config: Config, batch: Batch[jax.Array], noise: bool = True) -> jax.Array:
    """Real images [N, H, W, C] as the discriminator sees them, drawn as in step 0; uint8.

    An adaptive augmentation is shown as often as it may get.
    """
    zero = jnp.zeros((), jnp.int32)
    key = rng.purpose_key(rng.step_key(config.seed, zero, zero), 'disc', 0)
    std = config.instance_noise.std if noise else 0.0
    noise_std = _noise_schedule(std, config.instance_noise.decay_steps)

    def keys(use: str) -> jax.Array:
        return rng.example_keys(rng.purpose_key(key, use, 'real'), len(batch.label), None)

    pixels = images.normalise(batch.image, (-1, 1))
    p = config.ada.limit if config.ada.target else config.augment_p
    seen = disturb(pixels, augment.make(config.augment), p, noise_std and noise_std(zero), keys)
    return images.to_uint8(seen, (-1, 1))
