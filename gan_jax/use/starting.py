"""The start of a run from the weights of another one, as far as the layers of both fit."""

from collections.abc import Collection, Mapping
import difflib
from pathlib import Path
import re
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_jax.errors import UserError
from gan_jax.fields import Config
from gan_jax.io import digests
from gan_jax.states import GanState, Task
from gan_jax.use import trained

_VARIABLES = 'params', 'batch_stats'
Layers = Mapping[str, Mapping[str, Any]]  # by name: its arrays, by 'params/kernel' and the like


class Start(NamedTuple):
    """Where a run begins."""

    run: str  # the folder of the weights
    step: int  # of that run
    fresh: tuple[str, ...]  # layers that none of its layers has the shapes of: 'disc/Conv_0'
    state: GanState  # on the host, new but for the weights of the other layers

    def facts(self) -> dict[str, Any]:
        """Gives what run.json and the report say of it."""
        return {'run': self.run, 'step': self.step, 'fresh': list(self.fresh)}

    def __str__(self) -> str:
        fresh = f'; new: {", ".join(self.fresh)}' if self.fresh else ''
        return f'starting from {self.run} at step {self.step:,}{fresh}'


def read(config: Config, task: Task) -> Start:
    """Reads the weights that `config.start_from` names, of networks and averages.

    Layers are matched by their shapes, in order, so that of nets for images of two sizes the blocks
    that both have are taken, whichever end of the net they are counted from.

    Raises:
      UserError: there is no such run or step, or its networks are of another kind.
    """
    folder, step = _place(config.start_from)
    try:
        other = trained.load(folder, step)
    except UserError as error:
        why = str(error).removeprefix(f'--workdir={folder}: ')
        raise UserError(f'config.start_from={config.start_from}: {why}') from None
    _refuse_other_nets(config, other.config)
    state = jax.jit(task.init)()
    there, here = digests.present(other.state), digests.host_leaves(state)
    weights: dict[str, Any] = {}
    fresh: list[str] = []
    for role in ('gen', 'disc'):
        places = f'nets/{role}', f'ema/{role}'
        found = [_layers(there, place) for place in places]
        for place, own, instead in zip(places, found, reversed(found), strict=True):
            wanted, had = _layers(here, place), own or instead
            pairs = _matched(wanted, had)
            for name, theirs in pairs.items():
                for leaf, value in had[theirs].items():
                    collection, _, variable = leaf.partition('/')
                    weights[f'{place}/{collection}/{name}/{variable}'] = value
            if place == places[0]:
                missing = [f'{role}/{name}' for name in wanted if name not in pairs]
                fresh += missing if pairs else [role]
    _refuse_frozen(config, state, fresh)
    state = jax.tree_util.tree_map_with_path(
        # A copy each: a step is given the memory of its arrays.
        lambda path, leaf: np.array(weights.get(digests.leaf_path(path), leaf)),
        state,
    )
    return Start(str(folder), int(other.state.step), tuple(fresh), state)


def _refuse_frozen(config: Config, state: GanState, fresh: Collection[str]) -> None:
    if not config.disc.freeze:
        return
    moving, _ = state.nets.disc.opt_state
    for path, moves in digests.host_leaves(moving).items():
        name = f'disc/{path.rpartition("/")[0]}'
        if not moves and not {'disc', name}.isdisjoint(fresh):
            raise UserError(
                f'config.disc.freeze={config.disc.freeze}: {name} has no weights in'
                f' {config.start_from}, and would stay as it was drawn: set it to 0'
            )


def _place(given: str) -> tuple[Path, str]:
    """RUN@STEP as folder and step; '0', the newest, without one."""
    folder, at, step = given.rpartition('@')
    if at and (step.isdecimal() or step == 'best'):
        return Path(folder), step
    return Path(given), '0'


def _refuse_other_nets(config: Config, other: Config) -> None:
    for role in ('gen', 'disc'):
        ours, theirs = config[role].net.name, other[role].net.name
        if ours != theirs:
            raise UserError(
                f'config.start_from={config.start_from}: its config.{role}.net.name is {theirs},'
                f' not {ours}: set that, or start from another run'
            )


def _layers(leaves: Mapping[str, Any], place: str) -> Layers:
    """The layers of a network, or of its average, by their names in it."""
    found: dict[str, dict[str, Any]] = {}
    for path, leaf in leaves.items():
        start, _, rest = path.removeprefix(f'{place}/').partition('/')
        if path.startswith(f'{place}/') and start in _VARIABLES:
            name, _, variable = rest.rpartition('/')
            found.setdefault(name, {})[f'{start}/{variable}'] = leaf
    return found


def _matched(ours: Layers, theirs: Layers) -> dict[str, str]:
    """Our layers that have the shapes of theirs, kind by kind and in order: ours to theirs."""
    pairs = {}
    groups = _by_kind(theirs)
    for kind, names in _by_kind(ours).items():
        others = groups.get(kind, [])
        shapes = ([_shapes(ours[name]) for name in names], [_shapes(theirs[o]) for o in others])
        for block in difflib.SequenceMatcher(None, *shapes, autojunk=False).get_matching_blocks():
            for number in range(block.size):
                pairs[names[block.a + number]] = others[block.b + number]
    return pairs


def _by_kind(layers: Layers) -> dict[str, list[str]]:
    """Names without their number, and those with it, in order."""
    groups: dict[str, list[tuple[int, str]]] = {}
    for name in layers:
        number = re.search(r'\d*$', name)[0]  # type: ignore[index]  # it matches everywhere
        groups.setdefault(name.removesuffix(number), []).append((int(number or 0), name))
    return {kind: [name for _, name in sorted(found)] for kind, found in groups.items()}


def _shapes(layer: Mapping[str, Any]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple(sorted((leaf, tuple(value.shape)) for leaf, value in layer.items()))
