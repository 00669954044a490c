"""The plan of a benchmark."""

from typing import NamedTuple

from ml_collections import ConfigDict


class Plan(NamedTuple):
    """Which steps are timed, and how often.

    Attributes:
      config: complete and valid.
      turns: of each side.
      calls: of the step in a turn.
      peer: a key of `peers.PEERS`, '' for none.
      generated: random pixels in place of the config's images, also where those are at hand.
    """

    config: ConfigDict
    turns: int
    calls: int
    peer: str = ''
    generated: bool = False
