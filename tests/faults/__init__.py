"""Faults: a run's processes, its disk and its data fail at random moments.

    python -m tests.faults --rounds=100 --seed=0 --folder=DIR

Every round resumes one small run, waits until it has saved a step of its own, does something to
it (`injuries`), and sees whether it ends in a bounded time, with one line that says why, and
without losing a step that was saved. Every step that is saved in any round must have the digest
that it has in a run that nothing ever happened to. The command goes on where it was ended; DIR
holds `rounds.jsonl`, a line a round, and `summary.md`.
"""
