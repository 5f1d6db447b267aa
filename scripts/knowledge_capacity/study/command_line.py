"""What Snakemake's command line says of the files of a study."""

import itertools
import shlex
from collections.abc import Mapping, Sequence

from ..config import ConfigError

OPTIONS = ("--configfile", "--configfiles")


def describe_files(own: Sequence[str], overlays: Sequence[str], values: Mapping[str, object]) -> str:
    """Which files are the study, and what else, in a line.

    own: what the workflow reads by itself. overlays: what --configfile names. values: what --config gives.
    """
    first, *more = [*own, *overlays, *(f"{name}={value} of --config" for name, value in values.items())]
    return f"This study is {first}" + (f", and over it {', then '.join(more)}" if more else "") + "."


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
