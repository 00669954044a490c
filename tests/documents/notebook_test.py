"""The notebook runs from the first cell to the last, and holds no outputs."""

import json
from pathlib import Path

import pytest

from tests.data import photos

PATH = Path(__file__).parents[2] / 'docs' / 'first_hour.ipynb'
# What makes an hour of it a minute; each is in the notebook.
SMALLER = {
    "'quickstart'": "'quickstart:smoke'",
    'run.evaluate(2_000)': 'run.evaluate(100)',
    "'my_images'": "'dcgan64:smoke'",  # what my_images compiles: the README's commands
    "{'data.path': FOLDER}": "{'data.name': 'folder', 'data.path': FOLDER, 'data.num_examples': 0,"
    " 'data.image_size': 32, 'steps': 4, 'batch_size': 4}",
}


def test_it_holds_no_outputs():
    cells = json.loads(PATH.read_text(encoding='utf-8'))['cells']
    code = [cell for cell in cells if cell['cell_type'] == 'code']
    assert all(not cell['outputs'] and cell['execution_count'] is None for cell in code)


@pytest.mark.slow
def test_every_cell_runs(tmp_path):
    nbclient = pytest.importorskip('nbclient')
    nbformat = pytest.importorskip('nbformat')
    pytest.importorskip('ipykernel')
    notebook = nbformat.read(PATH, as_version=4)
    text = '\n'.join(cell.source for cell in notebook.cells)
    album = photos.album(tmp_path / 'photos', 12, (40, 40))
    notebook.cells = [c for c in notebook.cells if 'install' not in c.metadata.get('tags', ())]
    for long, short in (SMALLER | {"FOLDER = ''": f"FOLDER = '{album}'"}).items():
        assert long in text
        for cell in notebook.cells:
            cell.source = cell.source.replace(long, short)
    nbclient.NotebookClient(
        notebook, timeout=3_000, resources={'metadata': {'path': str(tmp_path)}}
    ).execute()
    shown = [output for cell in notebook.cells for output in cell.get('outputs', ())]
    pictures = [output for output in shown if 'image/png' in output.get('data', {})]
    assert len(pictures) == 6  # a plot, two grids, a morph, a direction, and those of the folder
    assert any('<pre>' in str(output.get('data', {}).get('text/html')) for output in shown)
