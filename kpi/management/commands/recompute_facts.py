import datetime

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from kpi import facts


class Command(BaseCommand):
    help = "Bring the figures up to date: only what changed since the last time, or what the options say."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--all", action="store_true", help="rebuild every day")
        parser.add_argument("--from", dest="start", type=datetime.date.fromisoformat, help="first day to rebuild")
        parser.add_argument("--to", dest="end", type=datetime.date.fromisoformat, help="last day to rebuild")

    def handle(self, *args, **options) -> None:
        start, end, at = options["start"], options["end"], timezone.now()
        if options["all"]:
            facts.rebuild_all(at)
            self.stdout.write("Every day was rebuilt.")
        elif start or end:
            if not (start and end) or end < start:
                raise CommandError("Give both --from and --to, the first day first.")
            days = {start + datetime.timedelta(days=n) for n in range((end - start).days + 1)}
            facts.rebuild(days, at)
            self.stdout.write(f"{len(days)} days were rebuilt.")
        else:
            number = facts.recompute(at)
            self.stdout.write("Every day was rebuilt." if number is None else f"{number} days were rebuilt.")
