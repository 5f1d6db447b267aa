"""Name file, line and remedy of what is not YAML in files of configuration, before Snakemake reads them.

Snakemake itself checks what the files say, when all of them are merged.
"""

import argparse
from pathlib import Path

import _path  # noqa: F401 (first, so that the package is found)
from knowledge_capacity import console
from knowledge_capacity.config import ConfigError, check_readable
from knowledge_capacity.files import UserError


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    try:
        check_readable(arguments.files)
    except ConfigError as error:
        raise UserError(f"the configuration cannot be used:\n{error}") from error


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="check", description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="such as studies/mine.yaml")
    console.main(run_job, parser)
