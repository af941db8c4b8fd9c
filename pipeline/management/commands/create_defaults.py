import datetime

from django.core.management.base import BaseCommand

from pipeline.defaults import create_defaults


class Command(BaseCommand):
    help = "Creates the default channels, reasons, criteria and agreement where none exist. Safe to run again."

    def handle(self, *args, **options) -> None:
        # In force since ever, so that imported history is judged by them, too.
        create_defaults(at=datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC))
