import argparse
import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from pipeline import demo


class Command(BaseCommand):
    help = (
        "Fills an empty base with a believable company and three years of history. Follow with recompute_facts --all."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--leads", type=_number_of_leads, default=400)
        parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same company")

    def handle(self, *args: Any, leads: int, seed: int, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("Demo data, with its known passwords, is refused in production.")
        try:
            demo.load_demo(leads, seed=seed, at=datetime.datetime.now(datetime.UTC), progress=self._tell)
        except demo.NotEmpty:
            raise CommandError("This base has data already; demo data goes into an empty one.") from None
        self.stdout.write(f"{leads} leads loaded. Sign in with the password {demo.PASSWORD} as")
        for sign_in in demo.sign_ins():
            self.stdout.write(f"  {sign_in.email:<32} {sign_in.role}")

    def _tell(self, done: int) -> None:
        if done % 50_000 == 0:
            self.stderr.write(f"{done} leads")


def _number_of_leads(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 10_000_000:
        raise argparse.ArgumentTypeError("between 1 and 10,000,000")
    return number
