"""The campaign from the command line; see the package."""

import argparse
import contextlib
import os
from pathlib import Path
import signal
import subprocess
import sys

from tests.faults import campaign

DISK = 'size=256m'


@contextlib.contextmanager
def small_disk(folder: Path):
    """A file system of its own at `folder`; gives whether there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = os.path.ismount(folder)
    if not mounted:
        command = ['mount', '-t', 'tmpfs', '-o', DISK, 'tmpfs', str(folder)]
        mounted = os.geteuid() == 0 and not subprocess.run(command, capture_output=True).returncode
    yield mounted


def main() -> int:
    """Plays, prints a line a round, and writes summary.md. The disk stays, for the next time."""
    parser = argparse.ArgumentParser(prog='python -m tests.faults', description=campaign.__doc__)
    parser.add_argument('--rounds', type=int, default=20)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--folder', type=Path, default=Path('runs/faults'))
    options = parser.parse_args()
    folder = options.folder.absolute()
    with small_disk(folder / 'disk') as has_disk:
        if not has_disk:
            print('no disk of its own may be mounted here: none is filled')
        rounds = campaign.Campaign(folder, options.seed, has_disk=has_disk)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            for result in rounds.play(options.rounds):
                print(result, flush=True)
        finally:
            rounds.trial.kill()
    done = rounds.done()
    text = campaign.summary(done, options.seed)
    (folder / 'summary.md').write_text(text)
    print(text)
    return int(any(result['verdict'] != 'ok' for result in done))


if __name__ == '__main__':
    sys.exit(main())
