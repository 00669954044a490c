"""The training state."""

from typing import Any

from flax import struct
from flax.training import train_state
import jax

from gan_jax.types import Pair


class NetState(train_state.TrainState):
    """A TrainState with the network's running statistics.

    `batch_stats` holds what the network updates in its forward pass: the running
    moments of batch norm and the power iteration of spectral norm ({} without either).
    """

    batch_stats: Any

    @property
    def variables(self) -> dict[str, Any]:
        """The first argument of `apply_fn`."""
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
      memory: what the task follows from step to step besides, such as the probability of an
        adaptive augmentation; {} where there is nothing.
    """

    step: jax.Array
    rollbacks: jax.Array
    nets: Pair[NetState]
    ema: Pair[Any]
    memory: Any = struct.field(default_factory=dict)
