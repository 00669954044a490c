"""The records that travel between modules: networks in pairs, a batch, facts about a data set."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

import numpy as np

T = TypeVar('T')


class Pair(NamedTuple, Generic[T]):
    """One thing for the generator, one for the discriminator."""

    gen: T
    disc: T


class Batch(NamedTuple, Generic[T]):
    """Images and labels, as stored; a task normalises them.

    Arrays of NumPy on the host, of JAX in a step, and shapes where only these count.
    """

    # uint8, or uint16 of a set that is `DataSpec.deep`, [..., H, W, C]: grey, RGB, or RGBA with the
    # colours multiplied by alpha
    image: T
    label: T  # int32 [...], zeros where the set has no classes, -1 where an image has no label


class DataSpec(NamedTuple):
    """The facts about a data set that a task needs: no files, no arrays."""

    image_shape: tuple[int, int, int]  # (H, W, C) of what training sees, all panels together
    num_classes: int  # 0 where the set has no labels
    num_examples: int  # images in the set
    panels: int = 1  # images side by side in each: 2 for pairs, the input on the left
    deep: bool = False  # whether images have 16 bits a channel, not 8
    # images of each class, where classes are the combinations of attributes (`data.attributes`);
    # () where they are not
    counts: tuple[int, ...] = ()

    @property
    def dtype(self) -> type[np.unsignedinteger]:
        """Data type of the stored images."""
        return np.uint16 if self.deep else np.uint8

    @property
    def attributes(self) -> int:
        """How many attributes the classes are combinations of; 0: they are none."""
        return max(len(self.counts).bit_length() - 1, 0)


class Metric(NamedTuple):
    """How a metric of images is named, shown and compared: once, beside what computes it."""

    name: str  # for a person
    form: str  # of its value
    meaning: str = ''  # which values are good
    # 1 where more is better, -1 where less is; 0: it chooses between no states of a run
    better: int = 0
    by_net: bool = True  # whether it is of a feature net
    # whether its key ends in the net's suffix, as a value by one net is none by another
    suffixed: bool = False
    panel: str = ''  # the panel of a report that shows it while a run trains; '': none
