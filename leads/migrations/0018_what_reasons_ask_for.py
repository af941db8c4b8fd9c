"""“Needs attempts” becomes one of several kinds of evidence; the next migration drops the column."""

from django.db import migrations

TO_EVIDENCE = "UPDATE leads_reason SET evidence = 'attempts' WHERE needs_attempts AND evidence = ''"
BACK = "UPDATE leads_reason SET needs_attempts = (evidence = 'attempts')"
OFFERS = "UPDATE leads_reason SET recycle_how = 'offer' WHERE kind = 'loss' AND text = 'Price'"


class Migration(migrations.Migration):
    dependencies = [("leads", "0017_selling_in_full")]

    operations = [
        migrations.RunSQL(TO_EVIDENCE, BACK, elidable=False),
        migrations.RunSQL(OFFERS, migrations.RunSQL.noop, elidable=False),
    ]
