"""What payments cover of the instalments that were there before it was kept with them."""

from decimal import Decimal

from django.db import migrations
from django.db.models import Sum


def fill(apps, schema_editor):
    plans = apps.get_model("pipeline", "PlannedPayment").objects
    payments = apps.get_model("pipeline", "Payment").objects.filter(voided_at=None)
    paid = payments.filter(opportunity__planned_payments__isnull=False)
    for opportunity in paid.order_by("opportunity").values_list("opportunity", flat=True).distinct():
        left = payments.filter(opportunity=opportunity).aggregate(sum=Sum("amount"))["sum"]
        filled = []
        for planned in plans.filter(opportunity=opportunity).order_by("due_on", "pk"):
            planned.paid = max(Decimal(0), min(planned.amount, left))
            left -= planned.paid
            filled.append(planned)
        plans.bulk_update(filled, ["paid"])


class Migration(migrations.Migration):
    dependencies = [("pipeline", "0019_what_is_paid_of_instalments")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop, elidable=True)]
