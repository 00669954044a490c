"""Counts what a compiled program launches on a GPU, read from what XLA writes of it.

Two texts: the sequence of thunks, a line for each thing that is launched, below the graph or loop
it belongs to; and the optimised HLO, which has shapes and names.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
import dataclasses
import re
from typing import Any

from benchmarks import collectives

_THUNK = re.compile(r'( *)\d+: (k\w+)')
_PART = re.compile(r'( *)(condition|body):')
_GRAPH, _LOOP = 'kCommandBuffer', 'kWhile'
# Thunks that launch nothing themselves.
_FREE = _GRAPH, _LOOP, 'kAsyncStart', 'kAsyncDone', 'kDynamicSliceFusion', 'kSequential'
_COMPUTATION = re.compile(r'(?:ENTRY )?%?([\w.\-]+) \(.*\{$')
_INSTRUCTION = re.compile(r'(?:ROOT )?%?[\w.\-]+ = (.*?) ([\w\-]+)\(')
_MAP = re.compile(r'op_name="[^"]*/conv_(down|up|corr)')
_MOVES = 'parameter', 'transpose', 'copy', 'bitcast'  # of a fusion that only changes a layout


@dataclasses.dataclass
class Thunk:
    """One thunk: its kind, e.g. 'kConvolution', and what stands below it."""

    kind: str
    # of a graph; of a loop its body
    children: list['Thunk'] = dataclasses.field(default_factory=list)
    # of a loop: what decides whether it goes on
    condition: list['Thunk'] = dataclasses.field(default_factory=list)

    def leaves(self) -> Iterator['Thunk']:
        """All below it that is launched; a loop counts as one: whether it is entered."""
        for child in self.children:
            if child.kind == _LOOP or child.kind not in _FREE:
                yield child
            else:
                yield from child.leaves()


def thunks(text: str) -> Thunk:
    """The sequence of a program, from the file `*.thunk_sequence*.txt` of its dump."""
    root = Thunk('kSequential')
    above = [(-1, root, root.children)]
    for line in text.splitlines():
        if part := _PART.match(line):
            if part[2] == 'body':
                while above[-1][0] >= len(part[1]):
                    above.pop()
            depth, loop, _ = above.pop()
            above.append((depth, loop, loop.children if part[2] == 'body' else loop.condition))
        elif found := _THUNK.match(line):
            depth = len(found[1])
            while above[-1][0] >= depth:
                above.pop()
            thunk = Thunk(found[2])
            above[-1][2].append(thunk)
            above.append((depth, thunk, thunk.children))
    return root


def launches(root: Thunk, steps: int) -> dict[str, Any]:
    """Counts what is launched in a call of `steps` steps, fit for JSON.

    Returns:
      kernels: of a step, by kind, a loop in it counting as one; inner: those of such loops, which
      not every step makes; host_launches: of a call, a graph counting as one; graphs: of a call;
      outside: what is in no graph, by kind, in the call's text.
    """
    loops = [thunk for thunk in _all(root) if thunk.kind == _LOOP]
    step = max(loops, key=lambda loop: sum(1 for _ in loop.leaves()), default=root)
    inner = [thunk for thunk in _all(step) if thunk.kind == _LOOP and thunk is not step]
    return {
        'kernels': dict(Counter(leaf.kind for leaf in step.leaves())),
        'inner': sum(1 for loop in inner for _ in loop.leaves()),
        'host_launches': _launched(root.children, steps),
        'graphs': sum(thunk.kind == _GRAPH for thunk in _all(root)),
        'outside': dict(Counter(thunk.kind for thunk in _outside(root.children))),
    }


def _all(root: Thunk) -> Iterator[Thunk]:
    yield root
    for child in root.children:
        yield from _all(child)


def _launched(sequence: Sequence[Thunk], steps: int) -> int:
    count = 0
    for thunk in sequence:
        if thunk.kind == _LOOP:
            count += steps * _launched([*thunk.condition, *thunk.children], steps)
        elif thunk.kind == _GRAPH or thunk.kind not in _FREE:
            count += 1
        else:
            count += _launched(thunk.children, steps)
    return count


def _outside(sequence: Sequence[Thunk]) -> Iterator[Thunk]:
    for thunk in sequence:
        if thunk.kind == _GRAPH:
            continue
        if thunk.kind == _LOOP or thunk.kind not in _FREE:
            yield thunk
        yield from _outside([*thunk.condition, *thunk.children])


def work(text: str) -> dict[str, Any]:
    """Counts the calls of libraries and the changes of layout in a step, by its optimised HLO.

    Returns:
      calls: of libraries, by kind; weight_gradients: the same for maps `corr` alone; copies and
      transposes: {count, bytes} of what only changes a layout; written: bytes of all results.
    """
    computations = _computations(text)
    # One step is the body of the longest loop, all there is without one.
    bodies = re.findall(r' while\(.*body=%?([\w.\-]+)', text)
    step = computations[max(bodies, key=lambda name: len(computations[name]), default='')]
    calls, gradients = Counter[str](), Counter[str]()
    moved = {'copies': [0, 0], 'transposes': [0, 0]}
    written = 0
    for line in step:
        shape, op = _parts(line)
        size = collectives.size(shape)
        if op in ('custom-call', 'fusion', 'copy'):
            written += size
        if kind := _library(line):
            calls[kind] += 1
            found = _MAP.search(line)
            gradients[kind] += bool(found and found[1] == 'corr')
        elif op == 'copy' or _only_moves(line, computations):
            entry = moved['copies' if op == 'copy' else 'transposes']
            entry[0] += 1
            entry[1] += size
    return {
        'calls': dict(calls),
        'weight_gradients': dict(+gradients),
        **{name: {'count': count, 'bytes': size} for name, (count, size) in moved.items()},
        'written': written,
    }


def _computations(text: str) -> dict[str, list[str]]:
    """The instructions of each computation of a module, the entry's under ''."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if name := _COMPUTATION.match(line):
            lines = found.setdefault('' if line.startswith('ENTRY') else name[1], [])
        elif _INSTRUCTION.match(line.strip()):
            lines.append(line.strip())
    return found


def _library(line: str) -> str | None:
    """Which library an instruction calls, and what for; None: none."""
    if found := re.search(r'custom_call_target="__(cudnn|cublas)\$(\w+)', line):
        return f'cuDNN {found[2]}' if found[1] == 'cudnn' else 'product'
    return 'product' if re.search(r'"kind":"__triton\w*gemm', line) or ' dot(' in line else None


def _only_moves(line: str, computations: dict[str, list[str]]) -> bool:
    called = re.search(r' fusion\(.*calls=%?([\w.\-]+)', line)
    inside = computations[called[1]] if called else []
    return bool(inside) and all(_parts(x)[1] in _MOVES for x in inside)


def _parts(line: str) -> tuple[str, str]:
    """The shape and the kind of an instruction."""
    found = _INSTRUCTION.match(line)
    assert found  # all others are left out where they are read
    return found[1], found[2]
