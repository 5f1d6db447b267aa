"""Libraries that warn when they are imported, of things that do not concern this study."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def suppress_warnings() -> Iterator[None]:
    """Leave out warnings, as those of torchao about GPU kernels that it cannot load on a CPU."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)
