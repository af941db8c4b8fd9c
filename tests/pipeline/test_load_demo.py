"""Loading the demo: what the seed decides, and never in production."""

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.core.management.color import no_style
from django.db import connection, transaction

from leads.models import Answer, Contact, Lead, LeadEvent
from pipeline import demo
from pipeline.models import Opportunity
from tests.factories import NOON


def _load(seed: int) -> list:
    """Load the demo; returns everything of it that a reader could notice, in a comparable form."""
    # What is rolled back leaves PostgreSQL's sequences where they were: begin at the same numbers again.
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), apps.get_models()):
            cursor.execute(statement)
    demo.load_demo(60, seed=seed, at=NOON)
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


@pytest.mark.once
def test_the_same_seed_makes_the_same_company(db):  # U6
    with transaction.atomic():
        one = _load(7)
        transaction.set_rollback(True)
    for first, second in zip(one, _load(7), strict=True):
        assert [pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]][:2] == []


def test_another_seed_throws_other_dice(db, monkeypatch):  # U6
    thrown = []

    def throw(rng, _leads, _at):
        thrown.append(rng.random())
        raise InterruptedError

    monkeypatch.setattr(demo, "found", throw)
    for seed in (7, 8):
        with pytest.raises(InterruptedError):
            demo.load_demo(100, seed=seed, at=NOON)
    assert thrown[0] != thrown[1]


def test_production_refuses_demo_data(db, settings):
    settings.PRODUCTION = True
    with pytest.raises(CommandError, match="production"):
        call_command("load_demo", leads=100)
    assert not Lead.objects.exists()
