"""The training state, and a kind of GAN as functions of it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from flax import struct
from flax.training import train_state
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
import numpy as np

from gan_jax.types import Batch, Pair

Metrics = Mapping[str, jax.Array]  # float32 scalars by name
UNMEASURED = -(2.0**100)  # in place of a metric that was not computed; so is a mean of such


class Rows(struct.PyTreeNode):
    """Metrics of several steps in one array, which comes to the host at once."""

    values: jax.Array  # float32 [steps, metrics]
    names: tuple[str, ...] = struct.field(pytree_node=False)  # of the metrics

    @classmethod
    def of(cls, metrics: Metrics) -> 'Rows':
        """The metrics of one step, values [metrics]."""
        names = tuple(sorted(metrics))
        return cls(jnp.stack([metrics[name] for name in names]), names)

    def fetch(self, count: int) -> list[dict[str, float]]:
        """The first `count` rows on the host, waiting for them, without what is UNMEASURED."""
        values = jax.device_get(self.values)[:count].tolist()
        pairs = [zip(self.names, row, strict=True) for row in values]
        return [{name: value for name, value in row if value != UNMEASURED} for row in pairs]


class NetState(train_state.TrainState):
    """A TrainState with the network's running statistics.

    `batch_stats` holds what the network updates in its forward pass: the running
    statistics of batch norm and the power iteration of spectral norm ({} without either).
    """

    batch_stats: Any

    @property
    def variables(self) -> dict[str, Any]:
        """The first argument of `apply_fn`."""
        return {'params': self.params, 'batch_stats': self.batch_stats}


class GanState(struct.PyTreeNode):
    """The whole training state: what a checkpoint holds and a digest covers."""

    step: jax.Array  # int32 scalar, the number of generator updates made
    # int32 scalar, how often the run went back to a checkpoint after a non-finite loss; it enters
    # every random key, so that the same NaN is not met again
    rollbacks: jax.Array
    nets: Pair[NetState]  # the two networks' states
    ema: Pair[Any]  # exponential moving average of each network's variables, {} where it is off
    # what the task follows from step to step besides, such as the probability of an adaptive
    # augmentation; {} where there is nothing
    memory: Any = struct.field(default_factory=dict)


class Sampler(NamedTuple):
    """Images from a trained generator of a latent."""

    # (key, count, truncation=1) -> z, float32 [count, latent_dim]; z[i] does not depend on count.
    # See `gan_jax.tasks.latents.Latent` on truncation.
    latent: Callable[..., jax.Array]
    # (state, z, label int32 [N]) -> images [N, H, W, C], of the type of those that it learned
    generate: Callable[[GanState, jax.Array, jax.Array], jax.Array]
    num_classes: int  # 0 if the generator is unconditional and labels are ignored
    # combinations of attributes, each as often as training images have it (`DataSpec.counts`); ()
    # where classes are none
    mixed: tuple[int, ...] = ()

    @property
    def classes(self) -> tuple[int, ...]:
        """Classes in turn, where none is asked for; () of an unconditional generator."""
        return self.mixed or tuple(range(self.num_classes))

    def label(self, count: int) -> np.ndarray:
        """The class of each of so many images, int32 [count]; zeros if there are none."""
        return np.resize(np.array(self.classes or (0,), np.int32), count)


class Part(NamedTuple):
    """A trained network in use, for programs that know nothing of ours."""

    variables: Callable[[GanState], Any]  # (state) -> what it needs of it; it only picks leaves
    # (variables, *inputs) -> float32 [N, ...]; pure, and what it makes of an example does not
    # depend on the others. Images it takes are uint8, those it makes in [0, 1].
    call: Callable[..., jax.Array]
    # shape and dtype of one example of each input, by name
    inputs: Mapping[str, jax.ShapeDtypeStruct]
    of_latent: 'Part | None' = None  # the same of a latent `z`, where `call` draws it by itself


class Translator(NamedTuple):
    """Images from images, each as if it were alone."""

    # (state) -> what a generator needs of it; it only picks leaves
    variables: Callable[[GanState], Any]
    # (variables, image uint8 [N, H, W, C], seed uint32) -> float32 [N, H, W, C]
    call: Callable[[Any, jax.Array, ArrayLike], jax.Array]
    # (variables on one device, image uint8 [H, W, C], seed) -> uint8 [H, W, C], on the host: `call`
    # of this image alone, compiled
    translate: Callable[..., Any]
    image_shape: tuple[int, int, int]  # (H, W, C) of what it makes


# (state, key, batch) -> logits of real and of generated images; see `Task.logits`.
Logits = Callable[[GanState, jax.Array, Batch[jax.Array]], tuple[jax.Array, jax.Array]]


class Task(NamedTuple):
    """A kind of GAN, as pure functions."""

    init: Callable[[], GanState]  # () -> GanState, from the config's seed
    # (state, batch) -> (state, metrics). Leaves of `batch` are [batches, B / devices, ...]; per
    # device, collectives over the task's axis.
    step: Callable[[GanState, Batch[jax.Array]], tuple[GanState, Metrics]]
    # (state, shown) -> uint8 [N, H, W, C], from the same latents at every call or, if it starts
    # from images, from those of the Batch `shown`, leaves [N, ...]. It is called as it is: what it
    # compiles is its own matter.
    preview: Callable[[GanState, Batch[np.ndarray]], Any]
    sampler: Sampler | None  # None if its generator does not start from a latent
    # (state, image uint8 [N, H, W, C]) -> logits, float32 [N, num_classes], and what the last layer
    # sees, float32 [N, F]; None if nothing in it tells classes apart
    classifier: Callable[[GanState, jax.Array], tuple[jax.Array, jax.Array]] | None = None
    # (state, key, batch of [N, ...]) -> logits of these real images and of as many that the
    # generator makes, float32 [N] each, by the networks themselves, not their averages, with batch
    # statistics as in training, but without augmentation, noise or dropout. None: it has no logit.
    logits: Logits | None = None
    translator: Translator | None = None  # None if its generator does not start from an image
    # what `gan-jax export` can write of it, by name; the first is what it is for
    parts: Mapping[str, Part] = MappingProxyType({})
    shown: int = 0  # from how many images of the set it starts
