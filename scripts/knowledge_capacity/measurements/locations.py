"""Where measurements that were made before are: the names of sources, and what files they stand for."""

from pathlib import Path

from ..layout import MEASUREMENTS

PUBLISHED = "published"
ADDRESS = "https://"


def parse_sources(source: str | None) -> list[str]:
    """The sources in a text that lists them, with commas between."""
    return [name.strip() for name in (source or "").split(",") if name.strip()]


def source_file(source: str, results: Path) -> Path | None:
    """The file that a source stands for; None for an address. results: the study's folder of results."""
    if source.startswith(ADDRESS):
        return None
    path = results / PUBLISHED if source == PUBLISHED else Path(source)
    return path / MEASUREMENTS if path.is_dir() else path
