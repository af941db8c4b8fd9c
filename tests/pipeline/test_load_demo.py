"""Loading the demo: the same for the same seed, never over somebody's data, never in production."""

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.core.management.color import no_style
from django.db import connection, transaction

from leads.models import Answer, Contact, Lead, LeadEvent
from pipeline import demo
from pipeline.models import Opportunity
from tests.factories import NOON


def _digest() -> list:
    """Everything that a reader could notice, in a comparable form."""
    return [
        list(Contact.objects.order_by("pk").values_list("name", "email", "phone", "company__name")),
        list(
            Lead.objects.order_by("pk").values_list("stage", "registered_at", "won_at", "owner__name", "campaign__name")
        ),
        [
            (lead, kind, at, {name: value for name, value in data.items() if name != "submission"})  # an id of the base
            for lead, kind, at, data in LeadEvent.objects.order_by("pk").values_list("lead_id", "kind", "at", "data")
        ],
        list(Answer.objects.order_by("pk").values_list("question__key", "option__text_en", "text", "number", "day")),
        list(Opportunity.objects.order_by("pk").values_list("stage", "amount", "won_at", "owner__name")),
    ]


def test_the_same_seed_makes_the_same_company(db):  # U6
    made = []
    for seed in (7, 7, 8):
        with transaction.atomic():
            # What is rolled back leaves PostgreSQL's sequences where they were: begin at the same numbers again.
            with connection.cursor() as cursor:
                for statement in connection.ops.sequence_reset_sql(no_style(), apps.get_models()):
                    cursor.execute(statement)
            demo.load_demo(100, seed=seed, at=NOON)
            made.append(_digest())
            transaction.set_rollback(True)
    assert made[0] == made[1] != made[2]


def test_production_refuses_demo_data(db, settings):
    settings.PRODUCTION = True
    with pytest.raises(CommandError, match="production"):
        call_command("load_demo", leads=100)
    assert not Lead.objects.exists()
