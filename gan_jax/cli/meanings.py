"""What the fields of a config mean, as the comments beside them in `config.py` say it."""

import ast
from collections.abc import Iterator, Mapping
import functools
import inspect
import io
import re
import tokenize

from gan_jax import config as config_lib
from gan_jax import nets


@functools.cache
def of_fields() -> Mapping[str, str]:
    """The meaning of every field by its dotted path, in the order of `config.default`."""
    source = inspect.getsource(config_lib)
    return dict(_Reader(source).assigned())


def of_net(name: str, role: str) -> Mapping[str, str]:
    """The meaning of a network's own fields, as its docstring says it."""
    text = inspect.getdoc(getattr(nets.NETS[name], role)) or ''
    _, _, attributes = text.partition('Attributes:\n')
    found = re.findall(r'^  (\w+): (.*(?:\n    .*)*)', attributes, re.MULTILINE)
    return {field: ' '.join(meaning.split()) for field, meaning in found}


class _Reader:
    """The functions of a module, and the comments on its lines."""

    def __init__(self, source: str):
        body = ast.parse(source).body
        self._functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
        self._comments = {
            token.start[0]: token.string.removeprefix('#').strip()
            for token in tokenize.generate_tokens(io.StringIO(source).readline)
            if token.type == tokenize.COMMENT
        }

    def assigned(self) -> Iterator[tuple[str, str]]:
        """The fields that `default` sets: config.a.b = value, or a function of the module."""
        for node in self._functions['default'].body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
                path = ast.unparse(node.targets[0]).removeprefix('config.')
                yield from self._value(path, node.value)

    def _value(self, path: str, value: ast.expr) -> Iterator[tuple[str, str]]:
        if not isinstance(value, ast.Call):
            yield path, self._comment(value)
            return
        called = ast.unparse(value.func)
        if called in self._functions:
            yield from self._value(path, _returned(self._functions[called]))
        elif called == 'ConfigDict':
            for argument in value.args:
                yield from self._value(path, argument)
        elif called == 'dict':
            for keyword in value.keywords:
                yield from self._value(f'{path}.{keyword.arg}', keyword.value)
        else:
            yield path, self._comment(value)

    def _comment(self, value: ast.expr) -> str:
        """That on the value's line, or else on the lines above it."""
        if beside := self._comments.get(value.end_lineno or 0):
            return beside
        line = value.lineno - 1
        above: list[str] = []
        while line in self._comments:
            above.insert(0, self._comments[line])
            line -= 1
        return ' '.join(above)


def _returned(function: ast.FunctionDef) -> ast.expr:
    """What its last line gives."""
    last = function.body[-1]
    assert isinstance(last, ast.Return) and last.value is not None
    return last.value
