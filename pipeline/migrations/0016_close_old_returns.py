"""Returns that marketing has dealt with before returns were answered: their leads stand elsewhere, or were handed over again."""

from django.db import migrations
from django.db.models import Exists, F, OuterRef, Q


def close(apps, schema_editor):
    handoffs = apps.get_model("pipeline", "Handoff").objects
    later = handoffs.filter(lead=OuterRef("lead"), pk__gt=OuterRef("pk"))
    handoffs.filter(verdict="rejected", return_closed_at=None).filter(
        ~Q(lead__stage="returned") | Exists(later)
    ).update(return_closed_at=F("decided_at"))


class Migration(migrations.Migration):
    dependencies = [("pipeline", "0015_answers_to_returns")]
    operations = [migrations.RunPython(close, migrations.RunPython.noop, elidable=True)]
