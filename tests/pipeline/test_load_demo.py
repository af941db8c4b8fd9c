"""Loading the demo: what the seed decides, and never in production."""

import pytest
from django.core.management import CommandError, call_command

from leads.models import Lead
from pipeline import demo
from tests.factories import NOON


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
