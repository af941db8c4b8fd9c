from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from pipeline.replay import replay


class Command(BaseCommand):
    help = "After a restore: erase again the persons who had been erased. Every start does it, too."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--file", type=Path, help="the list of acts, erasures.jsonl in DATA_DIR unless given")

    def handle(self, *args: Any, file: Path | None, **options: Any) -> None:
        if file is not None and not file.is_file():
            raise CommandError(f"There is no file {file}.")
        done = replay(file)
        if done.erased:
            self.stdout.write(f"{done.erased} persons were here again and are erased again.")
        if done.unknown:
            self.stderr.write(
                f"{done.unknown} numbers in the list belong to somebody else here, who was left alone. "
                "If this base is older than the list, check that SECRET_KEY is still the same."
            )
