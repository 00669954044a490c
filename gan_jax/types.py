"""The records that travel between modules: networks in pairs, the training state, a batch."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from flax import struct
from flax.training import train_state
import jax

Metrics = Mapping[str, jax.Array]  # float32 scalars by name
T = TypeVar('T')


class Pair(NamedTuple, Generic[T]):
    """One thing for the generator, one for the discriminator."""

    gen: T
    disc: T


class NetState(train_state.TrainState):
    """A TrainState with the network's running statistics.

    `batch_stats` holds what the network updates in its forward pass: the running
    moments of batch norm and the power iteration of spectral norm ({} without either).
    """

    batch_stats: Any

    @property
    def variables(self) -> dict[str, Any]:
        """What `apply_fn` takes as its first argument."""
        return {'params': self.params, 'batch_stats': self.batch_stats}


@struct.dataclass
class GanState:
    """The whole training state: what a checkpoint holds and a digest covers.

    Attributes:
      step: int32 scalar, the number of generator updates made.
      rollbacks: int32 scalar, how often the run went back to a checkpoint after a
        non-finite loss; it enters every random key, so that the same NaN is not met again.
      nets: the two networks' states.
      ema: exponential moving average of each network's variables, {} where it is off.
    """

    step: jax.Array
    rollbacks: jax.Array
    nets: Pair[NetState]
    ema: Pair[Any]


class Batch(NamedTuple):
    """Images and labels, as stored; a task normalises them.

    Attributes:
      image: uint8 [..., H, W, C].
      label: int32 [...], zeros where the set has no classes, -1 where an image has no label.
    """

    image: jax.Array
    label: jax.Array


class DataSpec(NamedTuple):
    """What a task must know of a data set: no files, no arrays.

    Attributes:
      image_shape: (H, W, C) of what training sees, all panels together.
      num_classes: 0 where the set has no labels.
      num_examples: images in the set.
      panels: images side by side in each: 2 for pairs, the input on the left.
    """

    image_shape: tuple[int, int, int]
    num_classes: int
    num_examples: int
    panels: int = 1


class Sampler(NamedTuple):
    """Images from a trained generator of a latent.

    Attributes:
      latent: (key, count) -> z, float32 [count, latent_dim]; z[i] does not depend on count.
      generate: (state, z, label int32 [N]) -> uint8 [N, H, W, C].
      num_classes: 0 if the generator is unconditional and labels are ignored.
    """

    latent: Callable[[jax.Array, int], jax.Array]
    generate: Callable[[GanState, jax.Array, jax.Array], jax.Array]
    num_classes: int


class Task(NamedTuple):
    """What a kind of GAN is to the rest of the program: pure functions.

    Attributes:
      init: () -> GanState, from the config's seed.
      step: (state, batch) -> (state, metrics). Leaves of `batch` are
        [draws, B / devices, ...]; per device, collectives over the task's axis.
      preview: (state) -> uint8 [N, H, W, C], always the same inputs.
      sampler: None if its generator does not start from a latent.
      classifier: (state, image uint8 [N, H, W, C]) -> logits, float32 [N, num_classes]; None if
        nothing in it tells classes apart.
    """

    init: Callable[[], GanState]
    step: Callable[[GanState, Batch], tuple[GanState, Metrics]]
    preview: Callable[[GanState], jax.Array]
    sampler: Sampler | None
    classifier: Callable[[GanState, jax.Array], jax.Array] | None = None
