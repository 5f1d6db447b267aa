"""Runs scripts/train.py in forks of a process that has imported everything, which saves seconds each time.

Reads a JSON list of arguments a line; for each, writes the number of the process, then how it ended.
"""

import json
import os
import runpy
import sys
from pathlib import Path

import torch._dynamo  # noqa: F401 (torch imports it with the first optimiser)

TRAIN = Path(__file__).parents[2] / "scripts" / "train.py"

if __name__ == "__main__":
    sys.path.insert(0, str(TRAIN.parent))
    runpy.run_path(str(TRAIN), run_name="imported")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            sys.argv = ["train", *json.loads(line)]
            runpy.run_path(str(TRAIN), run_name="__main__")
            os._exit(0)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
