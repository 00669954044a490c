"""The environment decides about JAX and figures before a command begins."""

import os
import subprocess
import sys

import pytest

DEVICES = ['JAX_PLATFORMS=cuda', 'JAX_PLATFORMS=nonsense', 'JAX_PLATFORM_NAME=gpu']


def python(*argv, **env):
    """Runs Python in a process of its own, with variables besides; '' unsets one."""
    env = {name: value for name, value in (os.environ | env).items() if value}
    return subprocess.run(
        [sys.executable, *argv], env=env, capture_output=True, text=True, check=False
    )


SETTINGS = [
    'JAX_ENABLE_X64=1',
    pytest.param('JAX_PLATFORMS=nonsense', marks=pytest.mark.newest),
    pytest.param('JAX_PLATFORMS=cuda', marks=(pytest.mark.newest, pytest.mark.slow)),
    pytest.param('JAX_PLATFORM_NAME=gpu', marks=pytest.mark.slow),
    pytest.param('JAX_DISABLE_JIT=1', marks=pytest.mark.slow),
]


@pytest.mark.parametrize('setting', SETTINGS)
def test_what_jax_lacks_is_one_line_that_names_the_variable(setting):
    name, _, value = setting.partition('=')
    variables = {'JAX_PLATFORMS': '', name: value}
    found = python('-m', 'gan_jax', 'digest', '--workdir=none', **variables)
    line = found.stderr.splitlines()[-1]
    assert found.returncode == 2 and line.startswith(f'error: {setting}: ')
    assert ('there are: cpu' in line) == (setting in DEVICES)
    assert 'Traceback' not in found.stderr


@pytest.mark.slow
def test_figures_do_not_depend_on_the_backend_of_a_notebook():
    code = 'from gan_jax import cli; cli.main([]); import matplotlib'
    found = python('-c', code, MPLBACKEND='module://matplotlib_inline.backend_inline')
    assert found.returncode == 0, found.stderr
