"""A trained network as a file that runs without gan_jax, and its weights as another.

FILE is a `jax.export` artefact: a program for CPU, CUDA and TPU, of any batch size, with the
weights in it. FILE.safetensors holds the weights by path, and in its metadata what is needed to
build the network again. `load` does that, and compares what the two make of the same inputs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
import contextlib
import json
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import jax
from jax import export
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy

from gan_jax import tasks
from gan_jax.errors import UserError, nearest
from gan_jax.fields import Config
from gan_jax.io import digests, files, schema
from gan_jax.io.schema import Count
from gan_jax.records import workdirs
from gan_jax.states import GanState, Part, Task
from gan_jax.tasks import latents
from gan_jax.use import trained

PLATFORMS = 'cpu', 'cuda', 'tpu'
WEIGHTS = '.safetensors'  # after the name of the artefact
MEANS = 'latent_centres'  # of a mixture's components, for programs that draw latents
BATCHES = 1, 3  # of the comparison
# What the program may differ by from the network: rounding, of sums in another order. Images and
# probabilities lie in [0, 1].
TOLERANCE = {'float32': 1e-5, 'bfloat16': 0.05}


class Meta(TypedDict):
    """The metadata of the weights."""

    part: str
    step: Count
    name: str
    task: str
    versions: Mapping[str, str]
    config: schema.Object
    data: workdirs.Data


class Exported(NamedTuple):
    """An exported generator, classifier or translator."""

    call: Callable[..., jax.Array]  # (*inputs [N, ...]) -> float32 [N, ...], by the artefact
    inputs: Mapping[str, jax.ShapeDtypeStruct]  # shape and dtype of one example of each, by name
    difference: float  # the most by which it differs from the network
    # `part`, `step`, `task` and `name` of the run, `versions` and `class_names`
    facts: Mapping[str, Any]


def write(workdir: Path, step: int | str, name: str, path: Path) -> None:
    """Writes a part of a run, '' the one that its task is for, and its weights beside it.

    Raises:
      UserError: there is no such run or part, or the files cannot be written.
    """
    run, name, part = opened(workdir, step, name)
    weights = digests.host_leaves(part.variables(run.state))
    if 'seed' in part.inputs:
        weights[MEANS] = np.asarray(latents.component_means(run.config, jnp.arange(run.components)))
    facts = {
        'part': name,
        'step': int(run.state.step),
        'name': run.config.name,
        'task': run.config.task,
        'versions': workdirs.versions(),
        'config': run.config.to_dict(),
        'data': workdirs.read_facts(workdir)['data'],
    }
    metadata = {key: json.dumps(value) for key, value in facts.items()}
    program = bytes(_program(part, part.variables(run.state)).serialize())
    with explained(path):
        files.replace(path, program)
        files.replace(weights_of(path), safetensors.numpy.save(weights, metadata))


def opened(
    workdir: Path, step: int | str, name: str, precision: str = ''
) -> tuple[trained.Trained, str, Part]:
    """A run with the weights of one part of it, that part's name, and itself.

    Raises:
      UserError: there is no such run or part.
    """

    def variables(task: Task) -> Callable[[GanState], Any]:
        return find(task, name or next(iter(task.parts))).variables

    run = trained.load(workdir, step, pick=variables, precision=precision)
    name = name or next(iter(run.task.parts))
    return run, name, find(run.task, name)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Says in one line why a file of --output cannot be written."""
    try:
        yield
    except OSError as error:
        raise UserError(f'--output={path}: cannot be written ({error.strerror})') from error


def find(task: Task, name: str) -> Part:
    """A part of a task by its name.

    Raises:
      UserError: it has none of that name.
    """
    if name not in task.parts:
        raise UserError(f'--part={name}: the run has none; {nearest(name, task.parts)}')
    return task.parts[name]


def weights_of(path: Path) -> Path:
    """Where the weights of an artefact are."""
    return path.with_name(path.name + WEIGHTS)


def _program(part: Part, variables: Any) -> export.Exported:
    """The part with these weights, for all platforms and any batch."""
    (batch,) = export.symbolic_shape('batch')
    shapes = [jax.ShapeDtypeStruct((batch, *x.shape), x.dtype) for x in part.inputs.values()]

    def call(*inputs: jax.Array) -> jax.Array:
        # Barred, or the compiler would spend its time computing what it can of the weights.
        return part.call(jax.lax.optimization_barrier(variables), *inputs)

    return export.export(jax.jit(call), platforms=PLATFORMS)(*shapes)


def load(path: Path) -> Exported:
    """An exported network, compared with what its weights say it is.

    An artefact is a program: load only what you trust.

    Raises:
      UserError: a file is missing or damaged, or the two differ.
    """
    facts, weights = _read_weights(path)
    try:
        program = export.deserialize(bytearray(files.regular(path).read_bytes()))
    except OSError as error:
        raise UserError(f'{path}: cannot be read ({error.strerror})') from None
    except Exception as error:  # the reader raises what a damaged file makes it meet
        raise UserError(f'{path}: not an exported network, or damaged ({error!r})') from error
    config = workdirs.to_config(facts['config'], weights_of(path))
    part, variables = _rebuilt(config, facts, weights)
    call = jax.jit(program.call)
    found = difference(call, jax.jit(part.call), variables, list(part.inputs.values()))
    if not found <= TOLERANCE[config.precision]:
        raise UserError(
            f'{path}: its results differ from those of {weights_of(path).name} by {found:.2g},'
            f' more than {TOLERANCE[config.precision]:.0e}: export it again, on this machine'
        )
    facts['class_names'] = facts.pop('data').get('class_names', [])
    del facts['config']
    return Exported(call, part.inputs, found, facts)


def _read_weights(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        with safetensors.safe_open(files.regular(weights_of(path)), 'numpy') as file:
            metadata = file.metadata() or {}
            facts = schema.of(
                Meta, {key: json.loads(metadata[key]) for key in Meta.__annotations__}
            )
            return facts, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, ValueError, safetensors.SafetensorError, schema.Wrong) as error:
        raise UserError(f'{weights_of(path)}: missing or damaged ({error})') from None
    except KeyError as error:
        raise UserError(f'{weights_of(path)}: not of `gan-jax export`, it lacks {error}') from None


def _rebuilt(
    config: Config, facts: Mapping[str, Any], weights: Mapping[str, np.ndarray]
) -> tuple[Part, Any]:
    """The part of the task that a config describes, and its variables."""
    spec = trained.spec(facts['data'])
    task = tasks.make(config, spec, axis_name=None)
    part = find(task, facts['part'])
    like = part.variables(jax.eval_shape(task.init))
    leaves, structure = jax.tree_util.tree_flatten_with_path(like)
    return part, jax.tree.unflatten(structure, [_weight(weights, *leaf) for leaf in leaves])


def _weight(
    weights: Mapping[str, np.ndarray], path: tuple[Any, ...], like: jax.ShapeDtypeStruct
) -> Any:
    found = weights.get(name := digests.leaf_path(path))
    if found is None or (found.shape, found.dtype) != (like.shape, like.dtype):
        raise UserError(
            f'{name} is missing among the weights, or of another shape: export it again'
        )
    return found


def difference(
    call: Callable[..., Any],
    network: Callable[..., jax.Array],
    variables: Any,
    inputs: Sequence[jax.ShapeDtypeStruct],
) -> float:
    """The most by which a program and a network differ, on random inputs of several sizes.

    The network gets one example at a time, as the program's results must not depend on the others.
    """
    worst = 0.0
    for count in BATCHES:
        drawn = [_random(like, count, seed) for seed, like in enumerate(inputs)]
        found = np.asarray(call(*drawn))
        for i, row in enumerate(found):
            wanted = network(variables, *(x[i : i + 1] for x in drawn))[0]
            worst = max(worst, float(np.abs(row - np.asarray(wanted)).max()))
    return worst


def _random(like: jax.ShapeDtypeStruct, count: int, seed: int) -> np.ndarray:
    """Latents, seeds, pixels or the class 0, by the dtype."""
    random = np.random.default_rng(seed)
    shape = (count, *like.shape)
    if like.dtype == jnp.uint8:
        return random.integers(0, 256, shape, np.uint8)
    if like.dtype == jnp.uint32:
        return random.integers(0, 2**32, shape, np.uint32)
    if like.dtype == jnp.int32:
        return np.zeros(shape, np.int32)
    return random.standard_normal(shape, np.float32)
