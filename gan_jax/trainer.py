"""The story of a run: config, data, state, steps, record, save.

Nothing here knows what kind of GAN it trains.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
import contextlib
import gc
import math
from pathlib import Path
import shlex
import tempfile
import time
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_jax import config as config_lib
from gan_jax import data, fields, observers, report, runners, tasks
from gan_jax.calls import Calls, Part
from gan_jax.data import feeds, looks, summary, views
from gan_jax.errors import UserError
from gan_jax.fields import Config
from gan_jax.io import paths, schema
from gan_jax.processes import cluster
from gan_jax.processes.interrupts import Interrupts
from gan_jax.records import recorder, workdirs
from gan_jax.records.checkpoints import Checkpoints
from gan_jax.records.recorder import Recorder
from gan_jax.states import GanState, Rows, Task
from gan_jax.terminal.progress import Progress
from gan_jax.types import Batch
from gan_jax.use import starting

MAX_ROLLBACKS = 5
COMPILING = 'compiling the step, which is kept for the next start'


class NonFiniteError(Exception):
    """A metric of a step was NaN or infinite."""

    def __init__(self, step: int, metric: str):
        super().__init__(f'{metric} is not finite at step {step}')


class Run(NamedTuple):
    """State that the parts of the loop share."""

    config: Config
    workdir: Path
    task: Task
    runner: runners.Runner
    feed: feeds.Feed
    observers: tuple[observers.Observer, ...]
    shown: Batch[np.ndarray]
    checkpoints: Checkpoints
    recorder: Recorder
    progress: Progress
    interrupts: Interrupts
    reports: 'Reports'
    watch: 'Watch | None'
    start: starting.Start | None


# (step, the line of metrics.jsonl) -> True to stop.
Watch = Callable[[int, Mapping[str, Any]], Any]


def train(
    config: Config,
    workdir: Path,
    *,
    overwrite: bool,
    command: str,
    watch: Watch | None = None,
) -> bool:
    """Trains `config` in `workdir`, from the start or from its newest whole checkpoint.

    Args:
      config: complete, as `gan_jax.config.experiments.load` returns it.
      command: how a user would resume this run; shown when it is interrupted.
      watch: called after every `log_every` steps; if it returns True, the run is interrupted.

    Returns:
      Whether the run is finished; if not, it was interrupted, and its last step is saved.

    Raises:
      UserError: something the user can mend; what was saved is whole.
    """
    started = time.perf_counter()
    _agree(config, workdir, overwrite)
    config_lib.validate(config)
    with _claimed(config, workdir, overwrite) as checkpoints:
        if cluster.decide(lambda: not overwrite and _is_finished(config, workdir, checkpoints)):
            print(_finished(config, workdir, max(checkpoints.steps())))
            return True
        begins = overwrite or not cluster.decide(checkpoints.steps)
        parts = _prepare(config, begins)
        if overwrite:
            cluster.decide(lambda: workdirs.clear(workdir))
        workdirs.refuse_other_data(workdir, config, parts.dataset.fingerprint)
        workdirs.refuse_other_devices(workdir, config, parts.runner.num_devices)
        with _opened(config, workdir, parts, checkpoints, watch) as run:
            on_data = summary.warnings(parts.dataset, config.data)
            for warning in (*on_data, *observers.warnings(config, parts.dataset)):
                run.progress.message(warning)
            state, step = _restore(run) or (_fresh(run), 0)
            _write_facts(run, parts.dataset, state, command)
            return _train(run, state, step, command, started)


@contextlib.contextmanager
def _claimed(config: Config, workdir: Path, overwrite: bool) -> Iterator[Checkpoints]:
    """The run's folder: it is this run's, all processes see it, and no other run writes to it.

    What is opened last is closed first: checkpoints, with a save that is under way, before the lock
    on the folder, and last of all a folder goes that was made for a run that is refused.
    """
    with contextlib.ExitStack() as stack:
        ready = workdirs.prepared(workdir, config, overwrite=overwrite)
        cluster.decide(lambda: stack.enter_context(ready))
        cluster.share(workdir)
        stack.enter_context(workdirs.full_disk(workdir))
        cluster.decide(lambda: stack.enter_context(workdirs.exclusive(workdir)))
        checkpoints = Checkpoints(workdir / 'checkpoints', config.keep)
        yield stack.enter_context(contextlib.closing(checkpoints))


class Parts(NamedTuple):
    """The parts that a run computes with; none of them has to be closed."""

    dataset: data.Dataset
    task: Task
    runner: runners.Runner
    feed: feeds.Feed
    observers: tuple[observers.Observer, ...]
    start: starting.Start | None  # None: from new weights, or from a checkpoint


def _prepare(config: Config, begins: bool) -> Parts:
    """Makes the parts: what is wrong with a config is known before an old run is deleted."""
    dataset = data.load(config.data)
    tasks.check(config, dataset)
    task = tasks.make(config, dataset.spec, axis_name=runners.AXIS)
    share = runners.share(config.batch_size)
    feed = feeds.make_feed(dataset, config, tasks.pools(config), share)
    jax.eval_shape(task.init)
    runner = runners.make(config.runner, runners.count_devices(config.runner, config.devices))
    cluster.agree({'the fingerprint of the data': dataset.fingerprint})
    count = _images_per_step(config)
    watching = observers.make(config, task, dataset, images_per_step=count, place=jax.device_put)
    start = starting.read(config, task) if begins and config.start_from else None
    return Parts(dataset, task, runner, feed, watching, start)


@contextlib.contextmanager
def _opened(
    config: Config, workdir: Path, parts: Parts, checkpoints: Checkpoints, watch: Watch | None
) -> Iterator[Run]:
    """The run with its records, its place on the terminal, and the signals that interrupt it.

    On an error a full disk is explained first. Then one of several processes ends at once, before
    anything is closed that the others take part in.
    """
    with contextlib.ExitStack() as stack:
        run = Run(
            config=config,
            workdir=workdir,
            task=parts.task,
            runner=parts.runner,
            feed=parts.feed,
            observers=parts.observers,
            shown=views.examples(config.data, parts.dataset, parts.task.shown),
            checkpoints=checkpoints,
            recorder=stack.enter_context(_recorder(config, workdir, parts.dataset)),
            progress=stack.enter_context(
                Progress(config.steps, messages_only=not cluster.is_first())
            ),
            interrupts=stack.enter_context(Interrupts()),
            reports=stack.enter_context(Reports(workdir)),
            watch=watch if cluster.is_first() else None,
            start=parts.start,
        )
        stack.enter_context(cluster.ending_at_once())
        stack.enter_context(workdirs.full_disk(workdir))
        yield run


def _agree(config: Config, workdir: Path, overwrite: bool) -> None:
    """Refuses processes that were started for different things."""
    names = fields.leaves(config) - set(paths.FIELDS)
    facts = {f'config.{name}': fields.get(config, name) for name in sorted(names)}
    facts |= {f'the version of {name}': version for name, version in workdirs.versions().items()}
    cluster.agree(facts | {'--workdir': str(workdir), '--overwrite': overwrite})


def _is_finished(config: Config, workdir: Path, checkpoints: Checkpoints) -> bool:
    """Whether the last step is saved, whole, and the report was written after it."""
    checkpoints.latest_meta()  # sets damaged steps aside
    step = max(checkpoints.steps(), default=0)
    report_file = workdir / 'report.html'
    if step < config.steps and _spent(config, workdir, step) is None:
        return False
    if not (report_file.exists() and workdirs.read_facts(workdir)):
        return False
    saved = (workdir / 'checkpoints' / str(step) / 'meta.json').stat().st_mtime
    return report_file.stat().st_mtime >= saved


def _finished(config: Config, workdir: Path, steps: int) -> str:
    line = f'{workdir} is finished: {steps:,} steps; see {workdir}/report.html'
    if steps < config.steps:
        return f'{line}; to train longer, raise config.stop.patience'
    if workdirs.has_schedule(config):
        return line
    # A study, which has a command of its own, decides its steps itself.
    longer = f'gan-jax train --workdir={shlex.quote(str(workdir))} --config.steps={2 * steps}'
    return f'{line}; to train longer: {longer}'


@contextlib.contextmanager
def _recorder(config: Config, workdir: Path, dataset: data.Dataset) -> Iterator[Recorder]:
    """The records; those of other processes than the first one are thrown away."""
    with tempfile.TemporaryDirectory() as elsewhere:
        records = Recorder(
            workdir if cluster.is_first() else Path(elsewhere),
            num_examples=dataset.spec.num_examples,
            images_per_step=_images_per_step(config),
            log_every=config.log_every,
            tensorboard=config.tensorboard and cluster.is_first(),
        )
        with contextlib.closing(records):
            yield records


def _images_per_step(config: Config) -> int:
    return config.batch_size * len(tasks.pools(config))


def _write_facts(run: Run, dataset: data.Dataset, state: GanState, command: str) -> None:
    def size(params: Any) -> int:
        return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))

    if not cluster.is_first():
        return
    start = run.start.facts() if run.start else workdirs.read_facts(run.workdir).get('start')
    workdirs.write_config(run.workdir, run.config)
    workdirs.write_facts(
        run.workdir,
        seed=run.config.seed,
        num_devices=run.runner.num_devices,
        command=command,
        data={
            'name': dataset.name,
            'fingerprint': dataset.fingerprint,
            'class_names': dataset.class_names,
            'feed': run.feed.kind,
            'look': looks.of_dataset(dataset)._asdict() if run.task.classifier else None,
            **dataset.spec._asdict(),
        },
        parameters={'gen': size(state.nets.gen.params), 'disc': size(state.nets.disc.params)},
        **({'start': start} if start else {}),
    )


def _fresh(run: Run) -> GanState:
    run.recorder.rewind(0)
    run.checkpoints.pin(None)
    if run.start:
        run.progress.message(str(run.start))
        return run.runner.replicate(run.start.state)
    with run.progress.waiting('compiling the networks'):
        return run.runner.replicate(jax.jit(run.task.init)())


def _restore(run: Run) -> tuple[GanState, int] | None:
    """The newest whole checkpoint, with the run's files taken back to its step."""
    like = run.runner.abstract(jax.eval_shape(run.task.init))
    restored = run.checkpoints.restore_latest(like)
    if restored is None:
        return None
    state, meta = restored
    step = int(state.step)
    run.recorder.load_state_dict(_recorded(run, step, meta))
    run.recorder.rewind(step)
    run.checkpoints.pin(cluster.decide(lambda: _best_step(run)))
    run.progress.message(f'resuming {run.workdir} at step {step}')
    return state, step


def _recorded(run: Run, step: int, meta: dict[str, Any]) -> recorder.State:
    try:
        return schema.of(recorder.State, meta.get('recorder'), 'meta.recorder')
    except schema.Wrong as error:
        raise UserError(
            f'{run.workdir}/checkpoints/{step}/meta.json: {error}; delete the step, and the run'
            ' goes on from the one before'
        ) from None


def _train(run: Run, state: GanState, step: int, command: str, started: float) -> bool:
    """Steps until the run is over, going back after a NaN if it may; False: it was interrupted."""
    call = run.runner.compile(run.task.step, run.feed.gather)
    loop = Loop(run, call, run.runner.replicate(run.feed.data), started)
    rollbacks = int(state.rollbacks)
    while True:
        try:
            step = loop.go(state, step)
            break
        except (NonFiniteError, FloatingPointError) as error:
            rollbacks += 1
            state, step = _roll_back(run, error, rollbacks)
    run.checkpoints.wait()
    run.reports.finish()
    if step < run.config.steps and (best := _ended(run, step)) is not None:
        run.progress.message(
            f'ended at step {step}: {run.config.stop.figure} has not been better since step {best},'
            f' which --step=best is; see {run.workdir}/report.html'
        )
        return True
    if step < run.config.steps:
        done = f'saved step {step}' if step else 'no step was made yet'
        run.progress.message(f'{run.interrupts.received}: {done}; go on with: {command}')
    else:
        run.progress.message(f'done: {step} steps; see {run.workdir}/report.html')
    return step >= run.config.steps


def _roll_back(run: Run, error: Exception, rollbacks: int) -> tuple[GanState, int]:
    """The last finite state, with `rollbacks` counted up, so that it draws other numbers now."""
    run.checkpoints.wait()
    run.reports.wait()
    saved = max(run.checkpoints.steps(), default=0)
    if run.config.on_nan == 'stop' or rollbacks > MAX_ROLLBACKS:
        kept = f'step {saved}, the last one saved, is finite' if saved else 'nothing was saved yet'
        remedy = (
            'lower config.gen.optimizer.learning_rate and config.disc.optimizer.learning_rate, in'
            ' another --workdir or with --overwrite'
        )
        if run.config.on_nan == 'stop':
            remedy += ', or pass --config.on_nan=rollback'
        raise UserError(f'{error}; {kept}; {remedy}') from None
    run.progress.message(f'{error}; going back to step {saved}')
    state, step = _restore(run) or (_fresh(run), 0)
    count = np.full_like(state.rollbacks, rollbacks)
    return state.replace(rollbacks=run.runner.replicate(count)), step


class Loop:
    """The compiled call and what it is fed with.

    The host reads the metrics of a call after it has dispatched the next one, so that the
    device never waits for it.
    """

    def __init__(self, run: Run, call: Any, device_data: Any, started: float):
        self._run = run
        self._call = call
        self._data = device_data
        self._calls = Calls(run.feed, run.runner, run.config.steps_per_call, self._is_due)
        self._started: float | None = started  # None once a step was made
        self._turned: int | None = None  # the best step, once that was said

    def go(self, state: GanState, step: int) -> int:
        """Runs from `step` to the end or an interruption; returns the last step, which is saved.

        Raises:
          NonFiniteError, FloatingPointError: a metric or a parameter is NaN or infinite.
        """
        run, config = self._run, self._run.config
        pending = Pending(run)
        saved = sampled = step
        saves, grids = Rest(run), Rest(run)
        over = _ended(run, step) is not None
        if step == 0:
            self._sample(state, 0)
            if run.start:  # as the other run may be gone, or have gone on, before the first save
                _save(run, state, 0)
        with contextlib.closing(self._calls.parts(step)) as parts, jax.transfer_guard('disallow'):
            while step < config.steps and not (over or run.interrupts.should_stop()):
                part = next(parts)
                state, rows = self._dispatch(state, part)
                pending.flush()
                pending.put(step, rows, part)
                step += part.steps
                if observers.is_due(step, config.sample_every, part.steps) and grids.is_over():
                    pending.flush()
                    self._sample(state, step)
                    sampled = step
                is_best, over = self._observe(pending, state, step, part.steps)
                saves_now = observers.is_due(step, config.save_every, part.steps)
                if is_best or (saves_now and saves.is_over()):
                    pending.flush()
                    _save(run, state, step, pin=is_best)
                    saved = step
            pending.flush()
            if sampled != step:
                self._sample(state, step)
            if saved != step:
                _save(run, state, step)
        return step

    def _is_due(self, step: int) -> bool:
        config = self._run.config
        every = config.sample_every, config.save_every, config.steps
        return any(step % period == 0 for period in every) or any(
            observers.is_due(step, observer.period, 1) for observer in self._run.observers
        )

    def _dispatch(self, state: GanState, part: Part) -> tuple[GanState, Rows]:
        if self._started is None:
            return self._calls.make(self._call, state, self._data, part)
        run, arguments = self._run, (state, self._data, part.items, part.span)
        if note := runners.arithmetic(run.config, run.runner.platform):
            run.progress.message(note)
        with run.recorder.paused(), run.progress.waiting(COMPILING):
            self._call = runners.compiled(
                run.runner, self._call, *arguments, deterministic=run.config.deterministic
            )
            result = jax.block_until_ready(self._call(*arguments))
        seconds = time.perf_counter() - self._started
        run.progress.message(f'first step finished {seconds:.1f} s after the start')
        self._started = None
        return result

    def _observe(
        self, pending: 'Pending', state: GanState, step: int, count: int
    ) -> tuple[bool, bool]:
        """Measures what is due, at the end all; whether the step is best, and the run ends here."""
        run = self._run
        ends = step == run.config.steps
        due = [o for o in run.observers if ends or observers.is_due(step, o.period, count)]
        if not due:
            return False, False
        pending.flush()

        def measure() -> tuple[bool, bool]:
            with run.recorder.paused(), jax.transfer_guard('allow'):
                metrics = observers.measure(due, runners.local(state))
                by = {name: value for observer in due for name, value in observer.by.items()}
                run.recorder.evaluated(step, metrics, by)
            self._say_if_turned()
            return _best_step(run) == step, _spent(run.config, run.workdir, step) is not None

        return cluster.decide(measure)

    def _say_if_turned(self) -> None:
        metric = observers.chosen_by(self._run.config)
        rows = recorder.read_rows(self._run.workdir, recorder.EVALUATIONS)
        best = observers.turned(rows, metric)
        if best is not None and best != self._turned:
            self._run.progress.message(
                f'{metric} has been worse since step {best}: training images are being memorised;'
                ' --step=best is that step'
            )
        self._turned = best

    def _sample(self, state: GanState, step: int) -> None:
        with (
            self._run.recorder.paused(),
            self._run.progress.waiting('compiling and drawing the samples'),
        ):
            images = self._run.task.preview(runners.local(state), self._run.shown)
            self._run.recorder.samples(step, jax.device_get(images))


class Rest:
    """The least time between two checkpoints, or two grids, where steps take next to none."""

    def __init__(self, run: Run):
        self._seconds = run.config.least_s if runners.loops(run.runner.platform) else 0
        self._since = -math.inf

    def is_over(self) -> bool:
        """Whether it is, and begins anew; of several processes the first one's."""
        over = not self._seconds or cluster.decide(
            lambda: time.monotonic() - self._since >= self._seconds
        )
        if over:
            self._since = time.monotonic()
        return over


class Pending:
    """The metrics of the call that the device may still be working on."""

    def __init__(self, run: Run):
        self._run = run
        self._call: tuple[int, Rows, Part] | None = None

    def put(self, step: int, rows: Rows, part: Part) -> None:
        """Keeps the metrics of the call that started at `step`.

        They are recorded at once if it has ended already, as it has where dispatch waits.
        """
        self._call = step, rows, part
        if runners.has_ended(rows):
            self.flush()

    def flush(self) -> None:
        """Records the kept call, waiting for it if it must.

        Raises:
          NonFiniteError: one of its metrics is NaN or infinite.
        """
        if self._call is None:
            return
        before, metrics, part = self._call
        self._call = None
        rows = metrics.fetch(part.steps)
        for step, row in enumerate(rows, before + 1):
            for name, value in row.items():
                if not math.isfinite(value):
                    raise NonFiniteError(step, name)
        line = self._run.recorder.record(before, rows, input_wait_s=part.wait_s)
        self._run.progress.update(before + len(rows), line)
        if line and self._run.watch and self._run.watch(int(line['step'] or 0), line) is True:
            self._run.interrupts.stop('stopped')


def _best_step(run: Run) -> int | None:
    return observers.best_step(
        recorder.read_rows(run.workdir, recorder.EVALUATIONS), observers.chosen_by(run.config)
    )


def _ended(run: Run, step: int) -> int | None:
    """Gives `_spent` to every process."""
    return cluster.decide(lambda: _spent(run.config, run.workdir, step))


def _spent(config: Config, workdir: Path, step: int) -> int | None:
    """The best step, if by `config.stop` none is to be waited for any longer at this one."""
    if not config.stop.figure:
        return None
    rows = recorder.read_rows(workdir, recorder.EVALUATIONS)
    own = [row for row in rows if row['step'] <= step]
    return observers.spent(own, config.stop.figure, config.stop.patience)


def _save(run: Run, state: GanState, step: int, *, pin: bool = False) -> None:
    """Writes a checkpoint without waiting for the disk, then the report."""
    with run.recorder.paused(), jax.transfer_guard('allow'):
        run.checkpoints.save(step, state, {'recorder': run.recorder.state_dict()}, pin=pin)
    run.reports.request()


class Reports:
    """Draws curves and report in a thread of their own, at most one at a time.

    Of several processes only the first one draws.
    """

    def __init__(self, workdir: Path):
        self._workdir = workdir
        self._pool = ThreadPoolExecutor(1, 'report')
        self._pending: Future[None] | None = None

    def __enter__(self) -> 'Reports':
        return self

    def __exit__(self, *exception: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def request(self) -> None:
        """Draws soon, unless a drawing is under way; raises what the last one raised."""
        if cluster.is_first() and (self._pending is None or self._pending.done()):
            self.wait()
            self._pending = self._pool.submit(self._draw)

    def finish(self) -> None:
        """Draws the state as it is now, and waits for it."""
        self.wait()
        if cluster.is_first():
            self._draw()

    def _draw(self) -> None:
        """Writes the report, and frees what that took.

        Figures refer to themselves, ten megabytes of them each time, and Python looks for such
        garbage more and more rarely the longer a run lasts.
        """
        report.write(self._workdir)
        gc.collect()

    def wait(self) -> None:
        """Returns when nothing is being drawn; raises what the drawing raised."""
        if self._pending is not None:
            self._pending.result()
