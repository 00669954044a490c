"""A trained network as an ONNX file, which runs without JAX and without Python.

The network's jaxpr becomes a graph, an equation at a time. What depends on the weights alone is
computed here, once. Convolutions are those of the three maps (`gan_jax.ops`), in their plain form:
ONNX's Conv and ConvTranspose. The batch stays open.
"""

from collections.abc import Callable, Mapping, Sequence
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
from jax import export
from jax.extend import core
import jax.numpy as jnp
import numpy as np

from gan_jax.errors import UserError
from gan_jax.io import files
from gan_jax.ops.windows import Window
from gan_jax.records import workdirs
from gan_jax.states import Part
from gan_jax.tasks import latents
from gan_jax.use import exporting
from gan_jax.use.trained import Trained

if TYPE_CHECKING:
    import onnx

OPSET = 18
IR_VERSION = 9  # of files that programs of 2023 read
TOLERANCE = 1e-4  # what the file may differ by from the run, of values in [0, 1]
BATCH = 'batch'


class Written(NamedTuple):
    """A file that was written and compared."""

    inputs: Mapping[str, jax.ShapeDtypeStruct]  # shape and dtype of one example of each, by name
    difference: float  # the most by which it differs from the network
    facts: Mapping[str, Any]  # what is in its metadata


def write(workdir: Path, step: int | str, name: str, path: Path) -> Written:
    """Writes a part of a run, as of `exporting.write`, and compares it by onnxruntime.

    Raises:
      UserError: there is no such run or part, the extra `onnx` is missing, the file cannot be
        written, or it differs from the run.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError:
        raise UserError(f'--format=onnx needs more packages: {files.install("onnx")}') from None

    # In float32 whatever the run computes in: most programs have no convolutions in bfloat16.
    run, name, part = exporting.opened(workdir, step, name, precision='float32')
    part = of_latents(part, run)
    weights = part.variables(run.state)
    facts = {
        'part': name,
        'step': int(run.state.step),
        'name': run.config.name,
        'latent': run.config.latent,
        'components': run.components,
        'class_names': list(run.class_names),
        'versions': workdirs.versions(),
    }
    model = convert(part, weights)
    for key, value in facts.items():
        model.metadata_props.add(key=key, value=json.dumps(value))
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=['CPUExecutionProvider'])

    def call(*inputs: np.ndarray) -> np.ndarray:
        return session.run(None, dict(zip(part.inputs, inputs, strict=True)))[0]

    found = exporting.difference(call, jax.jit(part.call), weights, list(part.inputs.values()))
    if not found <= TOLERANCE:
        raise UserError(
            f'--format=onnx: the file differs from the run by {found:.2g}, more than'
            f' {TOLERANCE:.0e}; nothing was written: use --format=jax'
        )
    with exporting.explained(path):
        files.replace(path, content)
    return Written(part.inputs, found, facts)


def of_latents(part: Part, run: Trained) -> Part:
    """The part, with latents as inputs where it draws them itself, which ONNX cannot.

    A latent of a mixture is the number of a component, in turn or at random, and a draw `z`.
    """
    if part.of_latent is None:
        return part
    inner, std = part.of_latent, run.config.latent_mixture.std
    means = np.asarray(latents.component_means(run.config, jnp.arange(run.components)))

    def call(variables: Any, component: jax.Array, z: jax.Array, *label: jax.Array) -> jax.Array:
        chosen = jax.nn.one_hot(component, len(means), dtype=jnp.float32) @ means
        return inner.call(variables, chosen + std * z, *label)

    inputs = {'component': jax.ShapeDtypeStruct((), jnp.int32), **inner.inputs}
    return Part(part.variables, call, inputs)


def convert(part: Part, variables: Any) -> 'onnx.ModelProto':
    """The part with these weights, of an open batch."""
    from onnx import helper

    (batch,) = export.symbolic_shape(BATCH)
    shapes = [jax.ShapeDtypeStruct((batch, *x.shape), x.dtype) for x in part.inputs.values()]
    leaves, structure = jax.tree.flatten(jax.tree.map(np.asarray, variables))

    def call(leaves: Sequence[jax.Array], *inputs: jax.Array) -> jax.Array:
        return part.call(jax.tree.unflatten(structure, leaves), *inputs)

    closed = jax.make_jaxpr(call)(leaves, *shapes)
    graph = _Graph(next(iter(part.inputs)))
    values = [*leaves, *map(_Tensor, part.inputs, (_sizes(x.shape) for x in shapes))]
    (made,) = graph.run(closed.jaxpr, closed.consts, values)
    (out,) = closed.out_avals
    graph.node('Identity', [graph.whole(made, out.shape)], 'output')
    info = [
        helper.make_tensor_value_info(name, _kind(x.dtype), _sizes(x.shape))
        for name, x in zip([*part.inputs, 'output'], [*shapes, out], strict=True)
    ]
    whole = helper.make_graph(graph.nodes, 'gan_jax', info[:-1], info[-1:], graph.constants)
    opset = [helper.make_opsetid('', OPSET)]
    return helper.make_model(
        whole, opset_imports=opset, ir_version=IR_VERSION, producer_name='gan_jax'
    )


Size = int | str  # of an axis: a number, or BATCH


class _Tensor(NamedTuple):
    """A tensor of the graph."""

    name: str  # in the graph
    # as it is there; where the jaxpr's is larger, it is broadcast by who needs that
    shape: tuple[Size, ...]


Value = _Tensor | np.ndarray


def _kind(dtype: Any) -> int:
    from onnx import helper

    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def _sizes(shape: Sequence[Any]) -> tuple[Size, ...]:
    """A shape of JAX, whose one symbol is the batch."""
    return tuple(size if isinstance(size, int) else BATCH for size in shape)


def _broadcast(shapes: Sequence[tuple[Size, ...]]) -> tuple[Size, ...]:
    """The shape of what is computed elementwise of such, as NumPy has it."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(next((s for s in sizes if s != 1), 1) for sizes in zip(*padded, strict=True))


class _Graph:
    """Nodes and constants as they come."""

    def __init__(self, first: str):
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._first = first
        self._batch = ''

    def node(self, op: str, inputs: Sequence[str], name: str = '', **attributes: Any) -> str:
        """Adds a node; its one output is returned."""
        from onnx import helper

        name = name or f'{op}_{len(self.nodes)}'
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def constant(self, value: Any) -> str:
        """Adds a constant."""
        from onnx import numpy_helper

        name = f'constant_{len(self.constants)}'
        self.constants.append(numpy_helper.from_array(np.array(value), name))
        return name

    def name(self, value: Value) -> str:
        """A value in the graph, which may have less than its whole shape."""
        return value.name if isinstance(value, _Tensor) else self.constant(value)

    def whole(self, value: Value, shape: Sequence[Any]) -> str:
        """A value in the graph, broadcast to its whole shape."""
        if value.shape == (sizes := _sizes(shape)):
            return self.name(value)
        return self.node('Expand', [self.name(value), self._to_shape(sizes)])

    def _to_shape(self, sizes: tuple[Size, ...]) -> str:
        if not self._batch:
            self._batch = self.node('Shape', [self._first], start=0, end=1)
        parts = [
            self._batch if s == BATCH else self.constant(np.array([s], np.int64)) for s in sizes
        ]
        return self.node('Concat', parts, axis=0)

    def run(self, jaxpr: Any, consts: Sequence[Any], inputs: Sequence[Value]) -> list[Value]:
        """The outputs of a jaxpr; equations that nothing needs are left out."""
        known: dict[Any, Value] = dict(zip(jaxpr.constvars, map(np.asarray, consts), strict=True))
        known |= dict(zip(jaxpr.invars, inputs, strict=True))
        needed = {var for var in jaxpr.outvars if isinstance(var, core.Var)}
        equations = []
        for equation in reversed(jaxpr.eqns):
            if needed.intersection(equation.outvars):
                equations.append(equation)
                needed.update(var for var in equation.invars if isinstance(var, core.Var))
        for equation in reversed(equations):
            given = [_value(known, var) for var in equation.invars]
            known.update(zip(equation.outvars, self._equation(equation, given), strict=True))
        return [_value(known, var) for var in jaxpr.outvars]

    def _equation(self, equation: Any, given: list[Value]) -> list[Value]:
        name, params = equation.primitive.name, equation.params
        inner = params.get('jaxpr', params.get('call_jaxpr'))
        if inner is not None:
            return self.run(inner.jaxpr, inner.consts, given)
        if _is_constant(equation, given):
            found = equation.primitive.bind(*given, **params)
            several = equation.primitive.multiple_results
            return list(map(np.asarray, found if several else [found]))
        if name in ELEMENTWISE:
            made = self.node(ELEMENTWISE[name], list(map(self.name, given)))
            return [_Tensor(made, _broadcast([_sizes(value.shape) for value in given]))]
        if name == 'split':  # which alone makes several
            return _split(self, equation, given[0])
        if name not in OPS:
            raise UserError(f'--format=onnx: the network computes {name}, which is not known there')
        return [OPS[name](self, equation, given)]


def _value(known: Mapping[Any, Value], var: Any) -> Value:
    if not isinstance(var, core.Literal):
        return known[var]
    aval: Any = var.aval
    return np.asarray(var.val, aval.dtype)


def _is_constant(equation: Any, given: Sequence[Value]) -> bool:
    fixed = all(BATCH not in _sizes(out.aval.shape) for out in equation.outvars)
    return fixed and all(isinstance(value, np.ndarray) for value in given)


# By the name of a primitive of JAX: what becomes one node.
ELEMENTWISE: Mapping[str, str] = {
    'abs': 'Abs', 'add': 'Add', 'add_any': 'Add', 'copy': 'Identity', 'div': 'Div', 'eq': 'Equal',
    'exp': 'Exp', 'ge': 'GreaterOrEqual', 'gt': 'Greater', 'le': 'LessOrEqual', 'log': 'Log',
    'logistic': 'Sigmoid', 'lt': 'Less', 'max': 'Max', 'min': 'Min', 'mul': 'Mul', 'neg': 'Neg',
    'sqrt': 'Sqrt', 'stop_gradient': 'Identity', 'sub': 'Sub', 'tanh': 'Tanh',
}  # fmt: skip


def _split(graph: _Graph, equation: Any, value: Value) -> list[Value]:
    sizes = np.array(equation.params['sizes'], np.int64)
    whole = graph.whole(value, equation.invars[0].aval.shape)
    ends, axis = np.cumsum(sizes), np.array([equation.params['axis']])
    parts: list[Value] = []
    for out, start, end in zip(equation.outvars, ends - sizes, ends, strict=True):
        bounds = [graph.constant(x) for x in (start[None], end[None], axis)]
        parts.append(_Tensor(graph.node('Slice', [whole, *bounds]), _sizes(out.aval.shape)))
    return parts


def _convert(graph: _Graph, equation: Any, given: list[Value]) -> Value:
    kind = _kind(equation.params['new_dtype'])
    return _Tensor(graph.node('Cast', [graph.name(given[0])], to=kind), _sizes(given[0].shape))


def _rsqrt(graph: _Graph, equation: Any, given: list[Value]) -> Value:
    root = graph.node('Sqrt', [graph.name(given[0])])
    return _Tensor(graph.node('Reciprocal', [root]), _sizes(given[0].shape))


def _square(graph: _Graph, equation: Any, given: list[Value]) -> Value:
    name = graph.name(given[0])
    return _Tensor(graph.node('Mul', [name, name]), _sizes(given[0].shape))


def _select(graph: _Graph, equation: Any, given: list[Value]) -> Value:
    which, *cases = given
    names = [graph.name(value) for value in (which, cases[1], cases[0])]
    shape = _broadcast([_sizes(value.shape) for value in given])
    return _Tensor(graph.node('Where', names), shape)


def _reshaped(graph: _Graph, value: Value, sizes: tuple[Size, ...], whole: Sequence[Any]) -> Value:
    """A value of the shape `whole` as one of other sizes."""
    if isinstance(value, np.ndarray) and BATCH not in sizes:
        return value.reshape([int(size) for size in sizes])
    target = np.array([-1 if size == BATCH else size for size in sizes], np.int64)
    made = graph.node('Reshape', [graph.whole(value, whole), graph.constant(target)])
    return _Tensor(made, sizes)


def _reshape(graph: _Graph, equation: Any, given: list[Value]) -> Value:
    (out,), (var, *_) = equation.outvars, equation.invars
    return _reshaped(graph, given[0], _sizes(out.aval.shape), var.aval.shape)


def _broadcast_in_dim(graph: _Graph, equation: Any, given: list[Value]) -> Value:
    """Only the axes: elementwise operations broadcast by themselves."""
    value = given[0]
    sizes: list[Size] = [1] * len(equation.params['shape'])
    for axis, size in zip(equation.params['broadcast_dimensions'], value.shape, strict=True):
        sizes[axis] = size if isinstance(size, int) else BATCH
    return _reshaped(graph, value, tuple(sizes), value.shape)


def _transpose(graph: _Graph, equation: Any, given: list[Value]) -> Value:
    order, (out,) = equation.params['permutation'], equation.outvars
    name = graph.whole(given[0], equation.invars[0].aval.shape)
    return _Tensor(graph.node('Transpose', [name], perm=order), _sizes(out.aval.shape))


def _concatenate(graph: _Graph, equation: Any, given: list[Value]) -> Value:
    names = [
        graph.whole(value, var.aval.shape)
        for value, var in zip(given, equation.invars, strict=True)
    ]
    made = graph.node('Concat', names, axis=equation.params['dimension'])
    return _Tensor(made, _sizes(equation.outvars[0].aval.shape))


def _pad(graph: _Graph, equation: Any, given: list[Value]) -> Value:
    low, high, inner = zip(*equation.params['padding_config'], strict=True)
    if any(inner):
        raise UserError('--format=onnx: the network pads between elements, which is not known')
    name = graph.whole(given[0], equation.invars[0].aval.shape)
    pads = graph.constant(np.array([*low, *high], np.int64))
    made = graph.node('Pad', [name, pads, graph.name(given[1])])
    return _Tensor(made, _sizes(equation.outvars[0].aval.shape))


def _reduce(op: str) -> Callable[[_Graph, Any, list[Value]], Value]:
    def reduce(graph: _Graph, equation: Any, given: list[Value]) -> Value:
        name = graph.whole(given[0], equation.invars[0].aval.shape)
        axes = graph.constant(np.array(equation.params['axes'], np.int64))
        made = graph.node(op, [name, axes], keepdims=0)
        return _Tensor(made, _sizes(equation.outvars[0].aval.shape))

    return reduce


def _dot(graph: _Graph, equation: Any, given: list[Value]) -> Value:
    contracted, batched = equation.params['dimension_numbers']
    ranks = [len(var.aval.shape) for var in equation.invars]
    if (contracted, batched, ranks) != (((1,), (0,)), ((), ()), [2, 2]):
        raise UserError('--format=onnx: the network has a product that is none of matrices')
    names = [
        graph.whole(value, var.aval.shape)
        for value, var in zip(given, equation.invars, strict=True)
    ]
    return _Tensor(graph.node('MatMul', names), _sizes(equation.outvars[0].aval.shape))


def _conv(op: str) -> Callable[[_Graph, Any, list[Value]], Value]:
    """`ops.bilinear.down` and `up`: what a tap meets is the same in ONNX."""

    def conv(graph: _Graph, equation: Any, given: list[Value]) -> Value:
        window: Window = equation.params['window']
        name = graph.whole(given[0], equation.invars[0].aval.shape)
        # From [kh, kw, C_big, C_small]: [out, in, kh, kw] of Conv, [in, out, kh, kw] of the other.
        kernel = graph.constant(np.transpose(given[1], (3, 2, 0, 1)))
        attributes: dict[str, Any] = {'strides': window.strides}
        high = [axis.high for axis in window]
        attributes['pads'] = [axis.low for axis in window] + [max(size, 0) for size in high]
        if op == 'ConvTranspose':
            attributes['output_padding'] = [max(-size, 0) for size in high]
        planes = graph.node('Transpose', [name], perm=(0, 3, 1, 2))
        made = graph.node(op, [planes, kernel], **attributes)
        made = graph.node('Transpose', [made], perm=(0, 2, 3, 1))
        return _Tensor(made, _sizes(equation.outvars[0].aval.shape))

    return conv


def _window_sum(graph: _Graph, equation: Any, given: list[Value]) -> Value:
    """Sums over windows of rows and columns: the means of ONNX, times the pixels of a window."""
    params, shape = equation.params, equation.invars[0].aval.shape
    _, *window, _ = params['window_dimensions']
    _, *lows_and_highs, _ = params['padding']
    planes = graph.node('Transpose', [graph.whole(given[0], shape)], perm=(0, 3, 1, 2))
    means = graph.node(
        'AveragePool',
        [planes],
        kernel_shape=window,
        strides=params['window_strides'][1:-1],
        pads=[size for ends in zip(*lows_and_highs, strict=True) for size in ends],
        count_include_pad=1,
    )
    sums = graph.node('Mul', [means, graph.constant(np.float32(np.prod(window)))])
    made = graph.node('Transpose', [sums], perm=(0, 2, 3, 1))
    return _Tensor(made, _sizes(equation.outvars[0].aval.shape))


# By the name of a primitive: what adds its nodes.
OPS: Mapping[str, Callable[[_Graph, Any, list[Value]], Value]] = {
    'broadcast_in_dim': _broadcast_in_dim,
    'concatenate': _concatenate,
    'conv_down': _conv('Conv'),
    'conv_up': _conv('ConvTranspose'),
    'convert_element_type': _convert,
    'dot_general': _dot,
    'pad': _pad,
    'reduce_max': _reduce('ReduceMax'),
    'reduce_sum': _reduce('ReduceSum'),
    'reduce_window_sum': _window_sum,
    'reshape': _reshape,
    'rsqrt': _rsqrt,
    'select_n': _select,
    'square': _square,
    'squeeze': _reshape,
    'transpose': _transpose,
}
