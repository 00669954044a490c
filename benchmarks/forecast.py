"""How fast a compiled step could be, and how it would scale: arithmetic on figures of the chip.

On one chip a step takes at least as long as its operations at the peak rate, and as its bytes at
the memory's bandwidth: the roofline (Williams et al. 2009). On n = a * b chips, the sides of a
slice as equal as they get, with the same batch on each, every all-reduce of S bytes adds

    2 (n - 1) / n * S / W + 2 (a + b - 2) * h

(reduced and scattered along one side and then the other, and gathered back), with W the
bandwidth of one link in both directions and h the latency of a hop. Nothing is assumed to overlap,
and one side's links to idle while the other's work. The speed is a bound from above, since no step
reaches the roofline; so the efficiency is one from below, as long as W and h are right.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.collectives import Sent

HOP_S = 1e-6  # assumed: the makers give none
CHIPS = 1, 2, 4, 8, 16, 32, 64, 128, 256


class Chip(NamedTuple):
    """Figures per chip, as docs.cloud.google.com/tpu/docs/{v5e,v5p,v6e} give them.

    Attributes:
      flops: operations a second in bfloat16, which the matrix units take float32 products as
        too unless `jax.default_matmul_precision` says otherwise.
      hbm: bytes of memory.
      bandwidth: of the memory, bytes a second.
      link: of one of its links to other chips, both directions together.
    """

    flops: float
    hbm: float
    bandwidth: float
    link: float


# By `device_kind`.
CHIP: Mapping[str, Chip] = {
    'TPU v5 lite': Chip(197e12, 16e9, 819e9, 400e9 / 4),
    'TPU v6 lite': Chip(918e12, 32e9, 1638e9, 800e9 / 4),
    'TPU v5': Chip(459e12, 95e9, 2765e9, 600e9 / 6),
}


def forecast(facts: Mapping[str, Any], found: Sequence[Sent]) -> dict[str, Any] | None:
    """Speed and weak-scaling efficiency of a compiled step; None for an unknown chip.

    Args:
      facts: as `benchmarks.compile_step` collects them.
      found: the program's collectives.

    Returns:
      compute_ms and memory_ms of a step on one chip, hbm_share that it needs, batch_per_chip,
      and scaling: [{chips, step_ms, images_per_s, efficiency}] with that batch on each; of one
      chip alone where the program is for one, which sends nothing.
    """
    chip = CHIP.get(facts['device'])
    if chip is None:
        return None
    compute = facts['flops_per_chip'] / chip.flops
    memory = facts['bytes_per_chip'] / chip.bandwidth
    alone = max(compute, memory)
    images = facts['images_per_step'] / facts['chips']

    def point(chips: int) -> dict[str, Any]:
        step = alone + sum(all_reduce_s(sent.bytes, chips, chip) for sent in found)
        return {
            'chips': chips,
            'step_ms': 1e3 * step,
            'images_per_s': chips * images / step,
            'efficiency': alone / step,
        }

    return {
        'compute_ms': 1e3 * compute,
        'memory_ms': 1e3 * memory,
        'hbm_share': facts['memory_per_chip']['total'] / chip.hbm,
        'batch_per_chip': facts['batch_size'] // facts['chips'],
        'scaling': [point(chips) for chips in (CHIPS if facts['chips'] > 1 else CHIPS[:1])],
    }


def all_reduce_s(size: int, chips: int, chip: Chip) -> float:
    """Seconds that an all-reduce of `size` bytes takes among so many chips."""
    power = (chips - 1).bit_length()
    hops = 2 ** (power // 2) + 2 ** (power - power // 2) - 2
    return 2 * (chips - 1) / chips * size / chip.link + 2 * hops * HOP_S
