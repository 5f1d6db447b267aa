"""Signals and a time limit that tell a job of training to save its progress and end."""

import signal

# the exit status of a job that was told to stop and can go on later: run again, as Snakemake's --retries and
# Slurm's requeueing do, it goes on from its checkpoint
REQUEUE = 143


class StopSignal:
    """Whether the job was told to stop: by SIGTERM, SIGINT or, unless 0, a time limit in seconds.

    Until a run first asks, after its first step, it has nothing to save: the job ends at once.
    """

    def __init__(self, time_limit: float) -> None:
        self._told = self._underway = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, self._heed)
        if time_limit:  # what is left of it is for the checkpoint
            signal.setitimer(signal.ITIMER_REAL, time_limit - min(120.0, 0.2 * time_limit))

    def begin_run(self) -> None:
        """End the job if it was told to, since a run is about to begin while no other is under way."""
        self._underway = False
        if self._told:
            raise SystemExit(REQUEUE)

    def __call__(self) -> bool:
        self._underway = True
        return self._told

    def _heed(self, number: int, frame: object) -> None:
        self._told = True
        if not self._underway:
            raise SystemExit(REQUEUE)

    def end(self) -> None:
        """Forget the time limit: Python, when it ends, would let the alarm kill it."""
        signal.setitimer(signal.ITIMER_REAL, 0)
