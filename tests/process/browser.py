"""A real browser."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service as Driver

MISSING = [program for program in ("chromium", "chromedriver") if shutil.which(program) is None]
# Chromium contacts its makers unless told not to, and has no sandbox as root.
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-proxy-server",
    "--window-size=1100,1000",
)


@contextmanager
def opened(home: Path) -> Iterator[webdriver.Chrome]:
    """Open a browser with nothing stored."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in (*ARGUMENTS, f"--user-data-dir={home / 'browser'}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # Its other files (crash reports, settings) go into this folder too.
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    driver = webdriver.Chrome(options, Driver(shutil.which("chromedriver"), env=environment))
    try:
        yield driver
    finally:
        driver.quit()
