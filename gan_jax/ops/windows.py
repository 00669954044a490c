"""Which element of a small map meets which element of a big one under which tap of a kernel."""

from typing import NamedTuple


class Axis(NamedTuple):
    """One axis of a convolution: small i and tap a meet big i * stride + a - low.

    Whatever falls outside the big map is zero, so this is a convolution's padding, a
    transposed convolution's cropping and the border of a weight gradient in one.
    """

    big: int  # sizes of the two maps
    small: int  # sizes of the two maps
    taps: int  # size of the kernel
    stride: int  # of the small map's elements over the big one
    low: int  # zeros before the big map

    @property
    def high(self) -> int:
        """Zeros behind the big map; negative where its last elements meet no tap."""
        return (self.small - 1) * self.stride + self.taps - self.low - self.big


class Window(NamedTuple):
    """Both axes of a convolution."""

    rows: Axis
    cols: Axis

    @property
    def strides(self) -> tuple[int, int]:
        """Strides of rows and columns."""
        return self.rows.stride, self.cols.stride

    @property
    def taps(self) -> tuple[int, int]:
        """Height and width of the kernel."""
        return self.rows.taps, self.cols.taps

    @property
    def pads(self) -> list[tuple[int, int]]:
        """Zeros before and behind the big map's rows and columns."""
        return [(axis.low, axis.high) for axis in self]

    @property
    def adjoint_pads(self) -> list[tuple[int, int]]:
        """The same for the small map with `stride - 1` zeros between its elements."""
        return [(axis.taps - 1 - axis.low, axis.taps - 1 - axis.high) for axis in self]
