"""A run as it is shared: plain files that another program's user can open, and no code.

    model.safetensors            leaves of the state, those used after training, by their paths
    config.json, run.json        as in a workdir, without paths of the sender's machine
    evaluation.json, README.md   figures, and the card of the model hub; see `gan_jax.use.sharing`

What a folder holds is a stranger's: it is checked against the network that its config describes.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy

from gan_jax.errors import UserError
from gan_jax.io import digests, files

WEIGHTS = 'model.safetensors'


def is_one(workdir: Path) -> bool:
    """Whether a folder is a shared one."""
    return (Path(workdir) / WEIGHTS).is_file()


def write(folder: Path, state: Any, only: Collection[str]) -> None:
    """Writes the weights of a state: its leaves at these paths (`digests.leaf_path`)."""
    leaves = digests.leaves(state)
    arrays = {path: np.asarray(leaf) for path, leaf in leaves.items() if path in only}
    metadata = {'format': 'gan_jax', 'step': str(int(state.step))}
    files.replace(folder / WEIGHTS, safetensors.numpy.save(arrays, metadata))


def restore(folder: Path, step: int, like: Any, only: Collection[str] | None) -> Any:
    """The state in a shared folder.

    Args:
      step: that it must be of; 0: whichever it is.
      like: tree of `jax.ShapeDtypeStruct`s with a `step`.
      only: paths of leaves that must be there; None: all that are.

    Returns:
      `like` with the leaves that are there in place of their shapes.

    Raises:
      UserError: the file is damaged, of another step, or not of such a network.
    """
    path = folder / WEIGHTS
    try:
        with safetensors.safe_open(files.regular(path), 'numpy') as file:
            there = int((file.metadata() or {}).get('step', ''))
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise UserError(f'{path}: damaged, or not of `gan-jax export` ({error})') from None
    if step not in (0, there):
        raise UserError(f'--step={step}: {folder} is a shared folder, of step {there} alone')
    stored['step'] = np.int32(there)
    for name, leaf in digests.leaves(like).items():
        found = stored.get(name)
        if found is None and name in (only or ()):
            raise UserError(f'{path}: lacks {name}: export the run again')
        if found is not None and (found.shape, found.dtype) != (leaf.shape, leaf.dtype):
            raise UserError(f'{path}: {name} has another shape than config.json asks for')
    there_now = {name: jnp.asarray(array) for name, array in stored.items()}
    return jax.tree_util.tree_map_with_path(
        lambda key, leaf: there_now.get(digests.leaf_path(key), leaf), like
    )
