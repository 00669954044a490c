"""Names for bits: the sha256 of a training state and of files.

Two states have one digest exactly when every leaf has the same path, dtype, shape and
bits. The number of devices a state is replicated over does not enter.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np


def host_leaves(tree: Any) -> dict[str, np.ndarray]:
    """The tree's arrays by path ('nets/gen/params/Dense_0/kernel'), on the host.

    On the CPU backend they are views of the device's memory, which a donated buffer
    takes away: copy what has to outlive the next step.
    """
    local = {path: _one_replica(leaf) for path, leaf in leaves(tree).items()}
    for leaf in local.values():
        if isinstance(leaf, jax.Array):
            leaf.copy_to_host_async()
    return {path: np.asarray(leaf) for path, leaf in local.items()}


def leaves(tree: Any) -> dict[str, Any]:
    """The leaves of a tree by their paths."""
    found, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {leaf_path(path): leaf for path, leaf in found}


def leaf_path(path: tuple[Any, ...]) -> str:
    """A key path of `jax.tree_util` as 'a/b/0': the same for attributes, keys and indices.

    A state therefore has the paths of the plain dicts and lists it is stored as.
    """
    return '/'.join(jax.tree_util.keystr((key,), simple=True) for key in path)


def present(tree: Any) -> dict[str, Any]:
    """The leaves that are arrays, by path; of what was loaded in part, the others are shapes."""
    shape = jax.ShapeDtypeStruct
    return {path: leaf for path, leaf in leaves(tree).items() if not isinstance(leaf, shape)}


def _one_replica(leaf: Any) -> Any:
    if isinstance(leaf, jax.Array) and leaf.is_fully_replicated:
        return leaf.addressable_data(0)
    return leaf


def digest(tree: Any) -> str:
    """The sha256, 64 hex digits, of a tree of arrays.

    It covers, in the order of the paths, each leaf's path, dtype, shape and bytes (C
    order, little endian as on every platform of JAX). Nothing is computed on a device.
    """
    total = hashlib.sha256()
    for path, leaf in sorted(host_leaves(tree).items()):
        total.update(json.dumps([path, leaf.dtype.name, leaf.shape]).encode())
        # As bytes, since NumPy exports no buffer of bfloat16.
        total.update(np.ascontiguousarray(leaf).reshape(-1).view(np.uint8))
    return total.hexdigest()


def file_digest(file: Path) -> str:
    """The sha256, 64 hex digits, of a file's content."""
    with file.open('rb') as content:
        return hashlib.file_digest(content, 'sha256').hexdigest()


def folder_digests(folder: Path) -> dict[str, str]:
    """`file_digest` of every file under the folder, by its path relative to it."""
    files = sorted(file for file in folder.rglob('*') if file.is_file())
    return {file.relative_to(folder).as_posix(): file_digest(file) for file in files}
