"""Progress: a bar for people, lines for files."""

import io
import time

import pytest

from gan_jax.terminal.progress import Progress, clock

ROW = {'step': 5, 'loss_g': 0.7, 'loss_d': 1.31, 'd_real': None, 'images_per_s': 1234.5}


class Stream(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self._terminal = terminal

    def isatty(self):
        return self._terminal


@pytest.fixture
def now(monkeypatch):
    seconds = [1000.0]
    monkeypatch.setattr(time, 'monotonic', lambda: seconds[0])
    return seconds


@pytest.fixture
def open_stderr(monkeypatch):
    """Called in a test's body: pytest has its own stderr until then."""

    def replace(terminal):
        stream = Stream(terminal)
        monkeypatch.setattr('sys.stderr', stream)
        return stream

    return replace


def test_a_file_gets_at_most_a_line_in_ten_seconds_and_the_last_step(open_stderr, now):
    stderr = open_stderr(terminal=False)
    with Progress(1000) as progress:
        for step in range(1, 1001):
            now[0] += 1 / 16
            progress.update(step, ROW if step % 10 == 0 else None)
    lines = stderr.getvalue().splitlines()
    assert len(lines) == 7  # after 10, 20, .. 60 s, and at the end, 62.5 s
    assert '\r' not in stderr.getvalue()
    assert lines[0] == 'train 160/1,000 (16%)  1,234 images/s loss G 0.700 D 1.310  0:52 left'
    assert lines[-1].startswith('train 1,000/1,000 (100%)')


def test_the_time_left_counts_this_process_alone(open_stderr, now):
    """A run that resumes at step 900 has not made 900 steps in no time."""
    stderr = open_stderr(terminal=False)
    progress = Progress(1000)
    for step in range(901, 923):
        progress.update(step)
        now[0] += 1.0
    assert '1:29 left' in stderr.getvalue()  # 89 steps at 1 s each, told at step 911


def test_a_message_is_a_line_of_its_own(open_stderr):
    stderr = open_stderr(terminal=False)
    with Progress(10) as progress:
        progress.message('resuming at step 4')
    assert stderr.getvalue() == 'resuming at step 4\n'


@pytest.mark.parametrize(
    'total, said',
    [(1_000, 'about 16:24 for the 984 steps to come, at the speed so far\n'), (90, '')],
)
def test_the_time_of_a_long_run_is_told_once(total, said, open_stderr, monkeypatch):
    stderr, now = open_stderr(terminal=False), [0.0]
    monkeypatch.setattr(time, 'monotonic', lambda: now[0])
    with Progress(total) as progress:
        for step in range(1, 60):
            progress.update(step)
            now[0] += 1.0
    text = stderr.getvalue()
    assert text.count('to come') == (1 if said else 0) and said in text


def test_a_terminal_gets_a_bar_that_messages_do_not_break(open_stderr):
    stderr = open_stderr(terminal=True)
    with Progress(10, description='gan') as progress:
        progress.update(4, ROW)
        progress.message('saved')
        for step in range(5, 11):
            progress.update(step)
    shown = stderr.getvalue().split('\r')
    assert any('saved\n' in part for part in shown)
    assert shown[-1].startswith('gan 100%') and '10/10' in shown[-1]
    assert '1,234 images/s loss G 0.700 D 1.310' in shown[-1]


@pytest.mark.parametrize('terminal', [True, False])
def test_what_takes_its_time_is_said_with_the_seconds(open_stderr, terminal, monkeypatch):
    monkeypatch.setattr('gan_jax.terminal.progress.WAIT_INTERVAL_S', {terminal: 0.05})
    stderr = open_stderr(terminal)
    with Progress(10) as progress:
        with progress.waiting('compiling'):
            time.sleep(0.5)
        assert stderr.getvalue().count('compiling: 0 s') > 1
        progress.update(1)
        assert 'compiling' not in stderr.getvalue().split('\r')[-1] or not terminal


@pytest.mark.parametrize('terminal', [True, False])
def test_a_run_may_go_back(open_stderr, terminal):
    stderr = open_stderr(terminal)
    with Progress(10) as progress:
        for step in (1, 2, 3, 2, 3, 10):
            progress.update(step, ROW)
    assert '10/10' in stderr.getvalue()


@pytest.mark.parametrize('seconds, text', [(0, '0:00'), (59.6, '1:00'), (245, '4:05')])
def test_clock(seconds, text):
    assert clock(seconds) == text
    assert clock(3600 + seconds).startswith('1:0')
