"""Jobs about all runs of a cell: what fails for one of them does not keep the others from their results."""

import traceback
from collections.abc import Callable, Iterable

from . import console
from .files import UserError
from .specs import Run


def process_each_run(runs: Iterable[Run], do: Callable[[Run], None], log: console.Log) -> None:
    """Do something for each run. Raises UserError at the end, with what each run says for which it failed."""
    failed = []
    for run in runs:
        try:
            do(run)
        except Exception as error:
            log.write(traceback.format_exc())
            failed.append(f"{run.slug}: {console.error_message(error).removeprefix(f'{run.slug}: ')}")
            log.say(f"{log.job}: {failed[-1]}")
    if failed:
        raise UserError("; ".join(failed))
