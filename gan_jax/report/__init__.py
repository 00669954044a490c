"""A run to look at: curves.png, progress.gif and report.html, one page that opens offline.

Everything comes from the files in the workdir, so a report can be written of any run, at any
time. A new section of the page is a function in `sections` and an entry of its SECTIONS.
"""

from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from gan_jax.io import files
from gan_jax.report import charts, markup, pictures, plots, sections
from gan_jax.report.run import Run, read


def write(workdir: Path) -> None:
    """Writes curves.png, progress.gif (as far as there is something in them) and report.html.

    Each replaces its forerunner at once. May be called at any time, also while the run goes on.

    Raises:
      OSError: the disk is full or the folder cannot be written.
    """
    run = read(Path(workdir))
    contents = {
        'curves.png': plots.curves_png(run.rows, run.evaluations, run.captions),
        'progress.gif': pictures.progress_gif(run.grids),
        'report.html': page(run),
    }
    for name, content in contents.items():
        if content is not None:
            files.replace(run.workdir / name, content)


def page(run: Run) -> str:
    """The report as one HTML document without any reference outside itself."""
    folder = resources.files(__package__) / 'templates'
    template, style, script = (
        (folder / f'report.{kind}').read_text('utf-8') for kind in ('html', 'css', 'js')
    )
    return Template(template).substitute(
        title=escape(run.name),
        style=style,
        script=script,
        data=markup.script_data(_script_data(run)),
        body='\n'.join(filter(None, (section(run) for section in sections.SECTIONS))),
    )


def _script_data(run: Run) -> dict[str, Any]:
    return {
        'frames': sections.frames(run),
        'charts': {
            drawing.panel.title: {
                'steps': [int(step) for step in drawing.steps],
                'readings': charts.readings(drawing),
            }
            for drawing in run.drawings
        },
    }
