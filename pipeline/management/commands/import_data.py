from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from leads.importing import ImportStopped
from leads.importing.mapping import load_mapping
from leads.importing.reading import find_source
from leads.importing.running import Summary, Target, run
from leads.importing.targets import Contacts, Expenses
from pipeline import chances
from pipeline.history import Deals, Leads
from pipeline.models import Agreement

TARGETS: dict[str, Callable[[], Target]] = {"contacts": Contacts, "leads": Leads, "deals": Deals, "expenses": Expenses}


class Command(BaseCommand):
    help = "Imports a CSV file as a mapping describes it (docs/examples). Running it again changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=TARGETS)
        parser.add_argument("file", type=Path)
        parser.add_argument("--mapping", type=Path, required=True)
        parser.add_argument("--dry-run", action="store_true", help="tell what would become of every row; write nothing")
        parser.add_argument("--refused", type=Path, help="where refused rows go (FILE-refused.csv)")

    def handle(
        self, *args: Any, what: str, file: Path, mapping: Path, dry_run: bool, refused: Path | None, **options: Any
    ) -> None:
        target = TARGETS[what]()
        refused = refused or file.with_name(f"{file.stem}-refused.csv")
        if refused.resolve() == file.resolve():
            raise CommandError("Refused rows can't go into the file that is being imported.")
        if not Agreement.objects.exists():
            raise CommandError("This base has no defaults yet: run manage.py create_defaults first.")
        try:
            described = load_mapping(mapping, target.fields, target.required)
            source = find_source(file, described.columns, encoding=described.encoding, delimiter=described.delimiter)
            self.stderr.write(
                f"{file}: {source.encoding}, separated by {source.delimiter!r}, header in row {source.header_row}"
            )
            summary = run(source, described, target, refused_path=refused, dry_run=dry_run, progress=self._tell)
        except ImportStopped as stopped:
            raise CommandError(str(stopped)) from None
        if not dry_run:
            chances.reckon(timezone.now())
        self._show(summary, refused, dry_run)

    def _tell(self, rows: int) -> None:
        self.stderr.write(f"{rows} rows", ending="\r" if self.stderr.isatty() else "\n")

    def _show(self, summary: Summary, refused: Path, dry_run: bool) -> None:
        for status in ("created", "updated", "unchanged", "warned", "refused", "skipped"):
            self.stdout.write(f"{status:<10} {summary.counts[status]}")
        for title, kept in (("Warned", summary.warned), ("Refused", summary.refused)):
            for number, text in kept:
                self.stdout.write(f"{title}: row {number}: {text}")
            if summary.counts[title.lower()] > len(kept):
                self.stdout.write(f"{title}: … and {summary.counts[title.lower()] - len(kept)} more")
        if dry_run:
            self.stdout.write("Dry run: nothing was written.")
        elif summary.counts["refused"]:
            self.stdout.write(f"Refused rows are in {refused}: mend them there and import that file.")
