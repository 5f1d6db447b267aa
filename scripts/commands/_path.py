"""Puts scripts/ on the path of commands, which lie one folder deeper than the package."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
