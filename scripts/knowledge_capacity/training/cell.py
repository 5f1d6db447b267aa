"""Training the runs of a cell, which differ in seed and learning rate alone: in stacks where that pays, or in turn."""

from collections.abc import Callable, Iterator, Sequence

from ..specs import Run
from .course import Point, TrainingStopped
from .loop import train
from .parallel import ALONE, Team
from .stack import Member, Outcome, train_stack
from .stackable import stack_size, unstackable_reason
from .worthwhile import even_size


def train_cell(
    members: Sequence[Member],
    vocabulary: int,
    at_once: int | None = None,
    save_every: float = 60.0,
    device: str = "cpu",
    report: Callable[[Run, Point, int], None] = lambda run, point, at_once: None,
    say: Callable[[str], None] = lambda line: None,
    begin: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
    team: Team = ALONE,
) -> Iterator[tuple[Member, Outcome]]:
    """Train runs and give each with what became of it, as soon as that is known.

    at_once: how many in one step, at most; by default as many as pay (`stack_size`). What cannot be trained in a
    stack, or by several processes, is trained one run after the other. report: told how many runs share the steps
    of a point. begin: called before a run begins while no other is under way. The rest is as `loop.train` has it.
    Raises Stopped.
    """
    if size := _choose_stack_size(members, vocabulary, at_once, device, say, team):
        begin()
        yield from train_stack(members, vocabulary, size, save_every, device, report, say, stop)
        return
    for member in members:
        begin()
        yield member, _train_alone(member, vocabulary, save_every, device, report, say, stop, team)


def _train_alone(
    member: Member,
    vocabulary: int,
    save_every: float,
    device: str,
    report: Callable[[Run, Point, int], None],
    say: Callable[[str], None],
    stop: Callable[[], bool],
    team: Team,
) -> Outcome:
    run = member.run
    try:
        return train(
            run,
            member.open_stream(),
            vocabulary,
            member.save_to,
            member.identity,
            save_every,
            device,
            lambda point: report(run, point, 1),
            say,
            stop,
            team,
        )
    except TrainingStopped:
        raise
    except Exception as error:  # what keeps one run from its end does not keep the others
        return error


def _choose_stack_size(
    members: Sequence[Member],
    vocabulary: int,
    at_once: int | None,
    device: str,
    say: Callable[[str], None],
    team: Team,
) -> int:
    """How many runs to train in one step, or 0 for each by itself."""
    if team.size > 1 or len(members) < 2 or at_once == 1 or (at_once is None and device == "cpu"):
        return 0
    run = members[0].run
    if reason := unstackable_reason(run, vocabulary, device):
        say(f"{run.slug} and others are trained one after the other and not in one step, since {reason}")
        return 0
    size = even_size(len(members), stack_size(run, vocabulary, device, at_once))
    return size if size > 1 else 0
