"""config.yaml, looked at before Snakemake reads it: of a file that is not YAML, Snakemake names neither file nor line.

What --configfile names is read before any of this; there `make study` and `python scripts/commands/check.py FILE` can tell.
"""

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.sourcecache import LocalSourceFile

# of this workflow, also where it is a module of another one
if not isinstance(workflow.current_basedir, LocalSourceFile):
    raise WorkflowError(
        "This workflow is more than its Snakefiles: clone its repository, and give the path of its Snakefile."
    )
PROJECT = Path(workflow.current_basedir.get_path_or_uri(secret_free=False)).parent
SCRIPTS = PROJECT / "scripts"
if str(SCRIPTS) not in sys.path:
    sys.path.insert(0, str(SCRIPTS))

from knowledge_capacity.config import ConfigError, check_readable


def unusable(error):
    return WorkflowError(f"The configuration cannot be used:\n{error}")


# of the working directory or, from another folder, of this workflow
CONFIG = next((file for file in [Path("config.yaml"), PROJECT / "config.yaml"] if file.exists()), None)

try:
    check_readable([CONFIG] if CONFIG else [])
except ConfigError as error:
    raise unusable(error)
