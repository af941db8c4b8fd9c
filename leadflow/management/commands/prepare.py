from argparse import ArgumentParser
from io import StringIO
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import transaction


class Command(BaseCommand):
    help = "Bring the database up to date: tables, and the settings that every installation starts with."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--demo", action="store_true", help="fill an empty base with demo data")

    def handle(self, *args: Any, demo: bool, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        call_command("create_defaults")
        call_command("replay_erasures")  # before anybody is served: the base may be an old one, restored
        if demo and not get_user_model().objects.exists():
            self.stdout.write("The base is empty; filling it with a demo company …")
            self.stdout.flush()
            # All or nothing: interrupted halfway, the base is still empty and the next start tries again.
            with transaction.atomic():
                call_command("load_demo", leads=400, stdout=StringIO())
                call_command("recompute_facts", all=True)
