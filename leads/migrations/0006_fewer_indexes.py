"""Drop indexes that others cover or that nobody reads: each makes every one of millions of rows slower to write.

Only the indexes themselves are dropped, at once on any table. Django's own way would write whole tables anew on SQLite,
losing their triggers, and check every foreign key again on PostgreSQL.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

COLUMNS = {'lead': ['campaign', 'criteria_set', 'owner', 'product', 'registered_by', 'removal_reason'], 'leadevent': ['actor', 'lead'], 'criterionanswer': ['answered_by', 'key', 'lead']}


def drop(apps, schema_editor):
    connection = schema_editor.connection
    for name, fields in COLUMNS.items():
        model = apps.get_model("leads", name)
        alone = [[model._meta.get_field(field).column] for field in fields]
        declared = {index.name for index in model._meta.indexes}
        with connection.cursor() as cursor:
            found = connection.introspection.get_constraints(cursor, model._meta.db_table)
        for index, about in found.items():
            if about["index"] and not about["unique"] and about["columns"] in alone and index not in declared:
                schema_editor.execute(f"DROP INDEX {schema_editor.quote_name(index)}")


class Migration(migrations.Migration):

    dependencies = [
        ('leads', '0005_count_leads_of_a_campaign'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='lead',
            name='lead_owner',
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(drop, elidable=False)],
            state_operations=[
                migrations.AlterField(
                    model_name='criterionanswer',
                    name='answered_by',
                    field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
                ),
                migrations.AlterField(
                    model_name='criterionanswer',
                    name='key',
                    field=models.SlugField(db_index=False),
                ),
                migrations.AlterField(
                    model_name='criterionanswer',
                    name='lead',
                    field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='answers', to='leads.lead'),
                ),
                migrations.AlterField(
                    model_name='lead',
                    name='campaign',
                    field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='leads', to='leads.campaign', verbose_name='campaign'),
                ),
                migrations.AlterField(
                    model_name='lead',
                    name='criteria_set',
                    field=models.ForeignKey(blank=True, db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='leads.criteriaset', verbose_name='judged by'),
                ),
                migrations.AlterField(
                    model_name='lead',
                    name='owner',
                    field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='leads', to=settings.AUTH_USER_MODEL, verbose_name='owner in marketing'),
                ),
                migrations.AlterField(
                    model_name='lead',
                    name='product',
                    field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='leads', to='leads.product', verbose_name='main product of interest'),
                ),
                migrations.AlterField(
                    model_name='lead',
                    name='registered_by',
                    field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
                ),
                migrations.AlterField(
                    model_name='lead',
                    name='removal_reason',
                    field=models.ForeignKey(blank=True, db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='leads.reason'),
                ),
                migrations.AlterField(
                    model_name='leadevent',
                    name='actor',
                    field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
                ),
                migrations.AlterField(
                    model_name='leadevent',
                    name='lead',
                    field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='events', to='leads.lead'),
                ),
            ],
        ),
    ]
