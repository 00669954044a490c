"""Studies: trials that make the rows of a table, a summary and pictures of them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from gan_jax import config as config_lib
from gan_jax.config import experiments
from gan_jax.errors import UserError

Row = dict[str, Any]  # a line of the table, by column; None is an empty cell


class Setting(NamedTuple):
    """The user's choices."""

    data_dir: Path | None  # the folder with the sets; None with `smoke`, which needs none
    smoke: bool  # everything tiny, on data that needs no network

    def config(self, source: str, folder: str, **changes: Any) -> ConfigDict:
        """The config of an experiment on a set of `data_dir`.

        Args:
          **changes: by dotted path; sizes among them give way to those of `smoke`.
        """
        config = experiments.load(source)
        config.tensorboard = False  # nobody follows dozens of runs there
        config.devices = 1  # the same rows everywhere; a batch here may be small and odd
        config.data.path = str(self.data_dir / folder) if self.data_dir else ''
        config.update_from_flattened_dict(changes)
        if self.smoke:
            with config.unlocked():
                config_lib.smoke(config)
                experiments.fill_nets(config)
        return config

    def path(self, *names: str) -> Path:
        """Where a folder of `data_dir` is.

        Raises:
          UserError: there is no `data_dir`.
        """
        if self.data_dir is None:
            raise UserError(f'study needs --data_dir=DIR, with {names[0]}/ in it, or --smoke')
        return self.data_dir.joinpath(*names)

    def check(self, folders: Sequence[str]) -> None:
        """Stops a study whose data are not there before it trains anything.

        Raises:
          UserError: there is no such folder.
        """
        if self.smoke:
            return
        if not self.data_dir:
            raise UserError(
                f'study needs --data_dir=DIR, with {_listed(folders)} in it, or --smoke'
            )
        for folder in folders:
            if not (self.data_dir / folder).is_dir():
                raise UserError(
                    f'--data_dir={self.data_dir}: there is no folder {folder}/ in it; this study'
                    f' needs {_listed(folders)}'
                )


def _listed(folders: Sequence[str]) -> str:
    return ' and '.join(f'{folder}/' for folder in folders)


class Stage(NamedTuple):
    """A training run of a trial."""

    name: str  # its folder, in the trial's
    # (the trial's folder, in which the stages before it are finished) -> its config, the same at
    # every call
    config: Callable[[Path], ConfigDict]


class Trial(NamedTuple):
    """Training and measurement for one row of the table or several."""

    name: str  # its folder, and what --only takes
    minutes: float  # about how long it takes on the machine of the committed results
    stages: tuple[Stage, ...]  # its training runs, in order
    # (the trial's folder) -> its rows; reads only what the stages left there
    measure: Callable[[Path], Sequence[Row]]
    # the stage whose generator makes digits that are kept as samples_NAME.png, '' if none does
    digits: str = ''
    step: int | str = 0  # of these: 0 for the newest, or 'best'
    # files that `measure` leaves in the trial's folder for the study's pictures
    kept: tuple[str, ...] = ()
    # whether all saved steps but the newest and the best go at the end, as `measure` needs no
    # others
    prune: bool = True


class Picture(NamedTuple):
    """A picture of some rows."""

    # (rows, at least one, the folder of the trials' folders) -> PNG, None while there is nothing to
    # draw; reads what is kept of a trial, not its runs
    draw: Callable[[Sequence[Row], Path], bytes | None]
    of: Callable[[Row], bool] = lambda row: True  # which rows it shows
    # a trial's files that it is made of, of those that are kept
    needs: Callable[[Trial], Sequence[str]] = lambda trial: ()
    # where the runs hold what its figures were measured by, a key of `studies.provenance`, which
    # its caption tells; '' if it shows none
    measured: str = ''


class Study(NamedTuple):
    """A question, and how it is put."""

    name: str  # what the user types
    title: str  # a line above the table
    about: str  # Markdown below it: what is compared, how it was tuned, what was cut
    folders: tuple[str, ...]  # of `--data_dir` that it needs
    columns: tuple[str, ...]  # of table.csv, in order
    # (setting) -> the trials, the most telling ones first, so that a study that was stopped early
    # is still of use
    trials: Callable[[Setting], Sequence[Trial]]
    summary: Callable[[Sequence[Row]], str]  # (rows) -> Markdown
    pictures: Mapping[str, Picture]  # by file name
    # columns with figures by a feature net, by where the runs hold what they were measured by: keys
    # of `studies.provenance`
    measured: Mapping[str, Sequence[str]] = {}
