"""Where this machine keeps a Chromium for the browser journeys."""

import os
import shutil
from pathlib import Path


def find_chromium() -> str | None:
    """CHROMIUM, one on the PATH, or one that playwright downloaded; None when there is none."""
    if wanted := os.environ.get("CHROMIUM"):
        return wanted
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if found := shutil.which(name):
            return found
    applications = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
    if applications.exists():
        return str(applications)
    for cache in (Path.home() / ".cache/ms-playwright", Path.home() / "Library/Caches/ms-playwright"):
        for pattern in (
            "chromium-*/chrome-linux*/chrome",
            "chromium-*/chrome-mac*/Chromium.app/Contents/MacOS/Chromium",
        ):
            if downloads := sorted(cache.glob(pattern)):
                return str(downloads[-1])
    return None
