"""The recorder: means, epochs, and a resumed run that leaves what an uninterrupted one does."""

import csv
import json
import os
import time

import numpy as np
import pytest

from gan_jax.records.recorder import EVALUATIONS, Recorder, read_rows, sample_paths

NUM_EXAMPLES, BATCH, STEPS, LOG_EVERY = 50, 8, 40, 5
TIMES = ('images_per_s', 'input_wait_s')


def make(workdir, **changes):
    settings = dict(
        num_examples=NUM_EXAMPLES, images_per_step=BATCH, log_every=LOG_EVERY, tensorboard=False
    )
    workdir.mkdir(exist_ok=True)
    return Recorder(workdir, **{**settings, **changes})


def metrics(step):
    rng = np.random.default_rng(step)
    names = ('loss_g', 'loss_d', 'd_real', 'd_fake', 'grad_norm_g', 'a_penalty')
    return dict(zip(names, np.float32(rng.uniform(size=len(names))), strict=True))


def grid(step):
    return np.random.default_rng(step).integers(0, 256, (6, 4, 5, 1), np.uint8)


def record(recorder, step, count=1, input_wait_s=0.0):
    """The call that ends with `step`."""
    rows = [metrics(number) for number in range(step - count + 1, step + 1)]
    return recorder.record(step - count, rows, input_wait_s=input_wait_s)


def run(recorder, first, last):
    for step in range(first, last + 1):
        record(recorder, step, input_wait_s=0.25)
        if step % 10 == 0:
            recorder.samples(step, grid(step))


def text(workdir):
    """All that a run left, but for times."""
    rows = [{k: v for k, v in row.items() if k not in TIMES} for row in read_rows(workdir)]
    samples = {path.name: path.read_bytes() for path in sample_paths(workdir)}
    return rows, (workdir / 'epochs.csv').read_text(), samples


def mean(name, steps):
    return sum(float(metrics(step)[name]) for step in steps) / len(steps)


def test_a_line_holds_the_means_of_its_window(tmp_path):
    run(make(tmp_path), 1, STEPS)
    rows = read_rows(tmp_path)
    assert [row['step'] for row in rows] == list(range(LOG_EVERY, STEPS + 1, LOG_EVERY))
    for row in rows:
        window = range(row['step'] - LOG_EVERY + 1, row['step'] + 1)
        for name in metrics(1):
            assert row[name] == mean(name, window)
        assert row['images_seen'] == row['step'] * BATCH
        assert row['epoch'] == round(row['step'] * BATCH / NUM_EXAMPLES, 4)
        assert row['input_wait_s'] == 0.25


def test_columns_have_a_fixed_order_with_the_tasks_own_last(tmp_path):
    run(make(tmp_path), 1, STEPS)
    core = ['step', 'epoch', 'images_seen', *list(metrics(1))[:4], *TIMES]
    assert all(list(row) == [*core, 'a_penalty', 'grad_norm_g'] for row in read_rows(tmp_path))


def test_record_returns_the_line_it_wrote(tmp_path):
    recorder = make(tmp_path)
    written = [record(recorder, step) for step in range(1, 11)]
    assert [row for row in written if row] == read_rows(tmp_path)
    assert [bool(row) for row in written] == [step % LOG_EVERY == 0 for step in range(1, 11)]


def test_lines_are_json_even_of_values_that_json_lacks(tmp_path):
    make(tmp_path, log_every=1).record(0, [{'loss_g': float('nan')}], input_wait_s=0.0)

    def refuse(constant):
        raise AssertionError(constant)

    line = (tmp_path / 'metrics.jsonl').read_text()
    assert json.loads(line, parse_constant=refuse)['loss_g'] is None


@pytest.mark.parametrize('num_examples', [50, 16, 8, 3])
def test_epoch_rows_equal_a_brute_force_computation(tmp_path, num_examples):
    """Also where several epochs end within one step: the last one gets the row."""
    run(make(tmp_path, num_examples=num_examples), 1, STEPS)
    with (tmp_path / 'epochs.csv').open() as file:
        rows = list(csv.DictReader(file))

    expected, members = [], []
    for step in range(1, STEPS + 1):
        members.append(step)
        ended = [e for e in range(1, 1000) if (step - 1) * BATCH < e * num_examples <= step * BATCH]
        if ended:
            expected.append((ended[-1], step, members))
            members = []
    assert [(int(row['epoch']), int(row['step'])) for row in rows] == [e[:2] for e in expected]
    for row, (_, _, steps) in zip(rows, expected, strict=True):
        for name in metrics(1):
            assert float(row[name]) == mean(name, steps)


def test_paused_time_and_the_compiled_first_step_do_not_count(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, 'perf_counter', lambda: now[0])
    recorder = make(tmp_path, log_every=3)

    def step(number, seconds):
        now[0] += seconds
        return record(recorder, number)

    step(1, 60.0)
    step(2, 1.0)
    with recorder.paused(), recorder.paused():
        now[0] += 100.0
    assert step(3, 1.0)['images_per_s'] == 2 * BATCH / 2.0
    assert [step(n, 0.5) for n in (4, 5, 6)][-1]['images_per_s'] == 3 * BATCH / 1.5


def test_steps_of_one_call_are_timed_together(tmp_path, monkeypatch):
    """Whatever the log points are: a rate is that of the calls since the last line."""
    now = [0.0]
    monkeypatch.setattr(time, 'perf_counter', lambda: now[0])
    recorder = make(tmp_path)
    for end in range(4, STEPS + 1, 4):
        now[0] += 2.0
        record(recorder, end, count=4, input_wait_s=1.0)
    rows = read_rows(tmp_path)
    assert [row['step'] for row in rows] == list(range(LOG_EVERY, STEPS + 1, LOG_EVERY))
    assert {row['images_per_s'] for row in rows} == {4 * BATCH / 2.0}
    assert {row['input_wait_s'] for row in rows} == {0.25}


@pytest.mark.parametrize('saved', [0, 3, 7, 13, 25, 39])
@pytest.mark.parametrize('ahead', [0, 1, 14])
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, saved, ahead):
    run(make(tmp_path / 'whole'), 1, STEPS)

    killed = make(tmp_path / 'resumed')
    run(killed, 1, saved)
    state = json.dumps(killed.state_dict())
    run(killed, saved + 1, min(saved + ahead, STEPS))

    resumed = make(tmp_path / 'resumed')
    resumed.load_state_dict(json.loads(state))
    resumed.rewind(saved)
    run(resumed, saved + 1, STEPS)
    assert text(tmp_path / 'resumed') == text(tmp_path / 'whole')


def test_going_back_to_the_start_within_a_process_forgets_the_sums(tmp_path):
    run(make(tmp_path / 'whole'), 1, STEPS)
    recorder = make(tmp_path / 'again')
    run(recorder, 1, 13)
    recorder.rewind(0)
    run(recorder, 1, STEPS)
    assert text(tmp_path / 'again') == text(tmp_path / 'whole')


@pytest.mark.parametrize('name', ['metrics.jsonl', 'epochs.csv'])
def test_a_last_line_cut_anywhere_is_survived(tmp_path, name):
    recorder = make(tmp_path)
    run(recorder, 1, 20)
    state, before = recorder.state_dict(), text(tmp_path)
    run(recorder, 21, 27)
    path = tmp_path / name
    whole = path.read_bytes()
    later = whole.splitlines(keepends=True)[-1]
    for cut in range(1, len(later)):
        path.write_bytes(whole[:-cut])
        resumed = make(tmp_path)
        resumed.load_state_dict(state)
        resumed.rewind(20)
        assert text(tmp_path) == before


def test_the_last_line_may_lack_only_its_end(tmp_path):
    run(make(tmp_path), 1, 10)
    path = tmp_path / 'metrics.jsonl'
    path.write_bytes(path.read_bytes()[:-1])
    make(tmp_path).rewind(10)
    assert [row['step'] for row in read_rows(tmp_path)] == [5, 10]
    assert path.read_bytes().endswith(b'\n')


def test_grids_come_in_the_order_of_steps_beyond_six_digits(tmp_path):
    recorder = make(tmp_path)
    for step in (1_000_000, 999_999, 0):
        recorder.samples(step, grid(step))
    assert [int(path.stem) for path in sample_paths(tmp_path)] == [0, 999_999, 1_000_000]


def test_a_full_disk_is_an_error_and_leaves_no_half_file(tmp_path, monkeypatch):
    recorder = make(tmp_path)
    recorder.samples(1, grid(1))
    before = sample_paths(tmp_path)[0].read_bytes()

    def full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'replace', full)
    with pytest.raises(OSError, match='No space'):
        recorder.samples(1, grid(2))
    assert [path.read_bytes() for path in (tmp_path / 'samples').iterdir()] == [before]


def read_events(path):
    from tensorboardX.proto.event_pb2 import Event

    data, events = path.read_bytes(), []
    while data:  # length (8 bytes), its CRC (4), the event, its CRC (4)
        size = int.from_bytes(data[:8], 'little')
        events.append(Event.FromString(data[12 : 12 + size]))
        data = data[16 + size :]
    return events


def test_tensorboard_has_every_point_once_after_a_resume(tmp_path):
    """TensorBoard reads it so: a session start at step s purges s and what follows."""
    killed = make(tmp_path, tensorboard=True)
    run(killed, 1, 20)
    state = killed.state_dict()
    run(killed, 21, 30)
    killed.close()
    resumed = make(tmp_path, tensorboard=True)
    resumed.load_state_dict(state)
    resumed.rewind(20)
    run(resumed, 21, 40)
    resumed.close()

    points, images = {}, set()
    files = sorted((tmp_path / 'tensorboard').iterdir())
    assert len(files) == 2
    for event in (event for path in files for event in read_events(path)):
        if event.HasField('session_log'):
            points = {step: value for step, value in points.items() if step < event.step}
        for value in event.summary.value:
            if value.tag == 'loss_g':
                assert event.step not in points
                points[event.step] = value.simple_value
            if value.tag == 'samples':
                images.add((event.step, value.image.encoded_image_string))
    assert points == pytest.approx({row['step']: row['loss_g'] for row in read_rows(tmp_path)})
    assert images >= {(int(path.stem), path.read_bytes()) for path in sample_paths(tmp_path)}


def test_what_a_checkpoint_claims_is_on_disk(tmp_path):
    recorder = make(tmp_path, tensorboard=True)
    run(recorder, 1, 5)
    recorder.state_dict()
    [path] = (tmp_path / 'tensorboard').iterdir()
    assert read_events(path)[-1].step == 5
    recorder.close()


def test_tensorboard_says_by_what_figures_are_measured(tmp_path):
    recorder = make(tmp_path, tensorboard=True)
    real = {'name': 'mnist', 'role': 'held-out images', 'images': 5, 'of': 9, 'fingerprint': 'e'}
    by = {'reference': real, 'samples': 500}
    for step in (7, 8):
        recorder.evaluated(step, {}, by)
    recorder.close()
    [path] = (tmp_path / 'tensorboard').iterdir()
    told = [(event.step, value) for event in read_events(path) for value in event.summary.value]
    [(step, value)] = told
    assert step == 7 and value.metadata.plugin_data.plugin_name == 'text'
    assert value.tensor.string_val[0].startswith(b'Samples: 500; Reference')
    assert [row['by'] for row in read_rows(tmp_path, EVALUATIONS)] == [by, by]


def test_a_line_of_figures_may_have_flags_and_what_was_not_measured(tmp_path):
    row = {'step': 3, 'collapsed': True, 'auc': None, 'epoch': 0.5, 'swd': 1.5}
    (tmp_path / EVALUATIONS).write_text(json.dumps(row) + '\n')
    assert read_rows(tmp_path, EVALUATIONS) == [row]
