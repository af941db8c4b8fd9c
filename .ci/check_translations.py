"""Fails when a message of the interface is missing from, untranslated or fuzzy in a catalogue, or a .mo file is stale.

Needs the gettext programs. Works on a copy: nothing in the tree changes.
"""

import gettext
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


# Under another name makemessages doesn't see what is translated.
HIDING = re.compile(r"^from django\.utils\.translation import \w+ as (?!_$)\w+$", re.MULTILINE)


def main() -> int:
    faults = [fault for po in sorted(ROOT.glob("locale/*/LC_MESSAGES/*.po")) for fault in stale(po)]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, files.split("\0")):
            if (ROOT / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, copy / name)
                if name.endswith(".py") and (hiding := HIDING.search((ROOT / name).read_text())):
                    faults.append(f"{name}: “{hiding[0]}”. Only _ may stand for a gettext function.")
        makemessages = [sys.executable, "manage.py", "makemessages", "--all", "--verbosity", "0"]
        subprocess.run(makemessages, cwd=copy, check=True, env=os.environ | {"DATA_DIR": folder})
        catalogues = sorted(copy.glob("locale/*/LC_MESSAGES/django.po"))
        if not catalogues:
            faults.append("There is no catalogue at all.")
        for po in catalogues:
            for kind in ("untranslated", "only-fuzzy"):
                found = output("msgattrib", f"--{kind}", "--no-obsolete", "--no-wrap", str(po))
                if found.strip():
                    faults.append(f"{po.relative_to(copy)}, {kind}:\n{found}")
    print("\n".join(faults) or "complete")
    return 1 if faults else 0


def stale(po: Path) -> list[str]:
    """Whether the compiled file beside `po`, which is what people see, says something else."""
    mo = po.with_suffix(".mo")
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "fresh.mo"
        output("msgfmt", "--check-format", "--output-file", str(fresh), str(po))
        if mo.exists() and messages(mo) == messages(fresh):
            return []
    return [f"{mo.relative_to(ROOT)} is not what {po.name} says: run manage.py compilemessages and commit it."]


def messages(mo: Path) -> dict:
    with mo.open("rb") as file:
        found = dict(gettext.GNUTranslations(file)._catalog)
    found.pop("", None)  # the header: dates differ
    return found


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
