import csv
import datetime
import json

from django.core.management.base import BaseCommand, CommandError

from kpi import facts
from kpi.metrics import METRICS, Figure, Unit, chosen, plain
from kpi.scope import SPLITS, Mode, Scope
from leads.spreadsheet import neutralise

COLUMNS = ["group", "metric", "numerator", "denominator", "value"]
SUFFIX = {Unit.PERCENT: " %", Unit.DAYS: " d", Unit.HOURS: " h", Unit.MULTIPLE: " ×"}


class Command(BaseCommand):
    help = "Print figures of a period. Facts are brought up to date first."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--from", dest="start", type=datetime.date.fromisoformat, required=True, help="first day")
        parser.add_argument("--to", dest="end", type=datetime.date.fromisoformat, required=True, help="last day")
        parser.add_argument("--by", choices=[*SPLITS], help="one row for each of these")
        parser.add_argument("--mode", choices=[*Mode], default=Mode.COHORT, help="how rates are reckoned")
        parser.add_argument("--metrics", default="", help="slugs or families, separated by commas; all when left out")
        parser.add_argument("--format", choices=["table", "json", "csv"], default="table")
        parser.add_argument("--as-kept", action="store_true", help="don't bring the facts up to date first")

    def handle(self, *args, **options) -> None:
        if options["end"] < options["start"]:
            raise CommandError("--to is before --from.")
        names = [name.strip() for name in options["metrics"].split(",") if name.strip()]
        try:
            metrics = chosen(names) if names else METRICS
        except KeyError as error:
            known = ", ".join(metric.slug for metric in METRICS)
            raise CommandError(f"There is no metric “{error.args[0]}”. Known are: {known}.") from None
        if not options["as_kept"]:
            facts.recompute()
        scope = Scope(user=None, start=options["start"], end=options["end"], mode=Mode(options["mode"]))
        rows = scope.listed(metrics, options["by"])
        getattr(self, f"_{options['format']}")(rows)

    def _json(self, rows: list[tuple[str, Figure]]) -> None:
        listed = [
            dict(zip(COLUMNS, [group, f.metric.slug, *map(plain, (f.numerator, f.denominator, f.value))], strict=True))
            for group, f in rows
        ]
        self.stdout.write(json.dumps(listed, ensure_ascii=False, indent=1))

    def _csv(self, rows: list[tuple[str, Figure]]) -> None:
        writer = csv.writer(self.stdout, lineterminator="\n")
        writer.writerow(COLUMNS)
        for group, f in rows:
            writer.writerow([neutralise(group), f.metric.slug, *map(plain, (f.numerator, f.denominator, f.value))])

    def _table(self, rows: list[tuple[str, Figure]]) -> None:
        table = [COLUMNS]
        for group, f in rows:
            value = "no data" if f.value is None else f"{plain(f.value)}{SUFFIX.get(f.metric.unit, '')}"
            if not f.is_mature:
                value += " (not mature)"
            table.append(
                [
                    group,
                    f.metric.slug,
                    *("" if n is None else str(plain(n)) for n in (f.numerator, f.denominator)),
                    value,
                ]
            )
        widths = [max(len(row[column]) for row in table) for column in range(len(COLUMNS))]
        for row in table:
            texts = [
                f"{cell:<{w}}" if i < 2 else f"{cell:>{w}}" for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            ]
            self.stdout.write("  ".join(texts).rstrip())
