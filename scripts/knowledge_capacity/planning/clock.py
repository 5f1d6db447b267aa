"""A given time, and where it goes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..console import format_duration

RESERVE = 75.0  # seconds to save, measure and publish in
LEAST_SHARE = 0.6  # of a short time that is for training


class Clock:
    """Counts from when it is made."""

    def __init__(self, minutes: float) -> None:
        self.minutes = minutes
        self.stages: dict[str, float] = {}  # seconds, by name
        self._ends = time.monotonic() + 60 * minutes

    @property
    def left(self) -> float:
        """Seconds; below zero when the time is over."""
        return self._ends - time.monotonic()

    @property
    def until_stop(self) -> float:
        """Seconds until training is told to stop."""
        return self.left - min(RESERVE, (1 - LEAST_SHARE) * 60 * self.minutes)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time within under this name."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.stages[name] = self.stages.get(name, 0.0) + time.monotonic() - began

    def account(self) -> str:
        """Where the time went, in words."""
        spent = ", ".join(f"{name} {format_duration(seconds)}" for name, seconds in self.stages.items())
        rest = (
            f"{format_duration(self.left)} left" if self.left >= 0 else f"{format_duration(-self.left)} over"
        )
        return f"of {format_duration(60 * self.minutes)}: {spent}; {rest}"
