"""A browser for pages: Debian's chromium, without a window."""

import shutil
from pathlib import Path

import pytest
from selenium import webdriver

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
SWITCHES = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync""".split()
SECONDS = 120  # for a page to be ready; it takes one or two, if nothing else runs
needs_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="chromium and chromedriver are not installed (Debian: apt-get install chromium chromium-driver)",
)


def start_browser(profile: Path) -> webdriver.Chrome:
    """A browser that keeps what its pages log; `quit` ends it. profile: an empty folder of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for switch in (*SWITCHES, f"--user-data-dir={profile}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
