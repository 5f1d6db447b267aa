"""What Snakemake's command line says of the files of a study."""

import itertools
import shlex
from collections.abc import Sequence

from ..config import ConfigError

OPTIONS = ("--configfile", "--configfiles")


def refuse_dropped_overlays(arguments: Sequence[str]) -> None:
    """Raise ConfigError where Snakemake drops files of the study: of several such options it heeds the last alone.

    arguments: of its command line.
    """
    given = [place for place, one in enumerate(arguments) if one.partition("=")[0] in OPTIONS]
    if len(given) < 2:
        return
    named = []
    for place in given:
        _, _, joined = arguments[place].partition("=")
        following = itertools.takewhile(lambda one: not one.startswith("-"), arguments[place + 1 :])
        named.append([joined] if joined else list(following))
    every = dict.fromkeys(itertools.chain(*named))
    raise ConfigError(
        f"--configfile is given {len(given)} times, and Snakemake heeds the last alone: the study would be config.yaml "
        f"with {', '.join(named[-1])}. Name all files after one: --configfile {shlex.join(every)}"
    )
