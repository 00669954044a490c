"""Prints the layers of `gan_jax`: each of its children imports those of lower layers alone.

    python tools/layers.py

Exits with 1, and names the children, where some import each other in a circle.
"""

import ast
from collections.abc import Iterator, Mapping
import graphlib
from pathlib import Path
import sys

ROOT = Path(__file__).parents[1] / 'gan_jax'


def imported(path: Path) -> Iterator[str]:
    """The children of the package that a file imports, anywhere in it and for types alone too."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.ImportFrom) and node.module == ROOT.name:
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            package, *inside = node.module.split('.')
            if package == ROOT.name:
                yield inside[0]


def arrows() -> dict[str, set[str]]:
    """The other children that each child of the package imports."""
    found: dict[str, set[str]] = {}
    for path in ROOT.rglob('*.py'):
        child = path.relative_to(ROOT).parts[0].removesuffix('.py')
        found.setdefault(child, set()).update(imported(path))
    return {child: (others - {child}) & found.keys() for child, others in found.items()}


def layers(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The children from the lowest layer up.

    Raises:
      graphlib.CycleError: some import each other in a circle, its second argument.
    """
    sorter = graphlib.TopologicalSorter(graph)
    sorter.prepare()
    found = []
    while ready := sorted(sorter.get_ready()):
        found.append(ready)
        sorter.done(*ready)
    return found


def main() -> int:
    """Prints the layers, the highest first."""
    try:
        found = layers(arrows())
    except graphlib.CycleError as error:
        print('circle: ' + ' <- '.join(error.args[1]))
        return 1
    for number, names in reversed([*enumerate(found)]):
        print(f'{number:2}  {" ".join(names)}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
