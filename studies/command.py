"""Trains and measures the rows of a study, and writes its table and picture as they finish.

The same command again goes on where it was stopped; Ctrl-C and SIGTERM stop it at any moment.
docs/howto/study.md says what there is and how long it takes.
"""

from pathlib import Path
import shlex

from absl import flags

from gan_jax.cli.flags import Invocation, define_path

WORDS = ('name',)
REQUIRED = ('name',)


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    flags.DEFINE_string('name', '', 'of the study', flag_values=values)
    for name, text in (
        ('data_dir', 'the folder that holds mnist/, cats/, facades/, faces/'),
        ('workdir', "the study's runs and tables; runs/studies/NAME if empty"),
        (
            'results',
            'a folder that also gets the rows, and a table of all in it; alone: just the table',
        ),
    ):
        define_path(values, name, text)
    flags.DEFINE_list('only', [], 'rows to train, by the names in README.md', flag_values=values)
    flags.DEFINE_bool(
        'smoke', False, 'everything tiny, on data that comes with packages', flag_values=values
    )


def main(invocation: Invocation) -> None:
    """Runs what is left of the study."""
    from gan_jax.cli import outputs
    from gan_jax.processes import startup
    from studies import registry, sweep
    from studies.study import Setting

    values = invocation.flags
    study = registry.find(values.name)
    results = values.results
    if results and not (values.data_dir or values.smoke or values.workdir or values.only):
        outputs.folder(results, flag='--results')
        sweep.tabulate(study, results)
        print(f'wrote {results}/table.csv, README.md and the pictures, of the rows in it')
        return
    title = f'{study.name}-smoke' if values.smoke else study.name
    workdir = values.workdir or Path('runs', 'studies', title).absolute()
    setting = Setting(None if values.smoke else values.data_dir, values.smoke)
    setting.check(study.folders)
    outputs.folder(workdir, flag='--workdir')
    if results:
        outputs.folder(results, flag='--results')
    startup.prepare()
    finished = sweep.run(
        study,
        setting,
        workdir,
        only=tuple(values.only),
        results=results,
        command=shlex.join(['gan-jax', 'study', *invocation.argv]),
    )
    if finished:
        print(f'wrote {workdir}/table.csv, README.md and the pictures')


def choices() -> str:
    """The names that there are, for an error."""
    from studies import registry

    return f': {", ".join(registry.STUDIES)}'
