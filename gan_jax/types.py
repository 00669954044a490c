"""The records that travel between modules: networks in pairs, a batch, facts about a data set."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

T = TypeVar('T')


class Pair(NamedTuple, Generic[T]):
    """One thing for the generator, one for the discriminator."""

    gen: T
    disc: T


class Batch(NamedTuple, Generic[T]):
    """Images and labels, as stored; a task normalises them.

    Arrays of NumPy on the host, of JAX in a step, and shapes where only these count.

    Attributes:
      image: uint8 [..., H, W, C].
      label: int32 [...], zeros where the set has no classes, -1 where an image has no label.
    """

    image: T
    label: T


class DataSpec(NamedTuple):
    """The facts about a data set that a task needs: no files, no arrays.

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


class Metric(NamedTuple):
    """How a metric of images is named, shown and compared: once, beside what computes it.

    Attributes:
      name: for a person.
      form: of its value.
      meaning: which values are good.
      better: 1 where more is better, -1 where less is; 0: it chooses between no states of a run.
      by_net: whether it is of a feature net.
      suffixed: whether its key ends in the net's suffix, as a value by one net is none by another.
      panel: the panel of a report that shows it while a run trains; '': none.
    """

    name: str
    form: str
    meaning: str = ''
    better: int = 0
    by_net: bool = True
    suffixed: bool = False
    panel: str = ''
