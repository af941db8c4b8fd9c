"""Drop indexes that others cover or that nobody reads: each makes every one of millions of rows slower to write.

Only the indexes themselves are dropped, at once on any table. Django's own way would write whole tables anew on SQLite,
losing their triggers, and check every foreign key again on PostgreSQL.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

COLUMNS = {'activity': ['by', 'lead'], 'handoff': ['agreement', 'assigned_to', 'decided_by', 'handed_over_by'], 'notification': ['recipient'], 'opportunity': ['owner']}


def drop(apps, schema_editor):
    connection = schema_editor.connection
    for name, fields in COLUMNS.items():
        model = apps.get_model("pipeline", name)
        alone = [[model._meta.get_field(field).column] for field in fields]
        declared = {index.name for index in model._meta.indexes}
        with connection.cursor() as cursor:
            found = connection.introspection.get_constraints(cursor, model._meta.db_table)
        for index, about in found.items():
            if about["index"] and not about["unique"] and about["columns"] in alone and index not in declared:
                schema_editor.execute(f"DROP INDEX {schema_editor.quote_name(index)}")


class Migration(migrations.Migration):

    dependencies = [
        ('leads', '0006_fewer_indexes'),
        ('pipeline', '0002_activity_submission_key'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(drop, elidable=False)],
            state_operations=[
                migrations.AlterField(
                    model_name='activity',
                    name='by',
                    field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='activities', to=settings.AUTH_USER_MODEL),
                ),
                migrations.AlterField(
                    model_name='activity',
                    name='lead',
                    field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='activities', to='leads.lead'),
                ),
                migrations.AlterField(
                    model_name='handoff',
                    name='agreement',
                    field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pipeline.agreement'),
                ),
                migrations.AlterField(
                    model_name='handoff',
                    name='assigned_to',
                    field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='handoffs', to=settings.AUTH_USER_MODEL, verbose_name='sales rep'),
                ),
                migrations.AlterField(
                    model_name='handoff',
                    name='decided_by',
                    field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
                ),
                migrations.AlterField(
                    model_name='handoff',
                    name='handed_over_by',
                    field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
                ),
                migrations.AlterField(
                    model_name='notification',
                    name='recipient',
                    field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='notifications', to=settings.AUTH_USER_MODEL),
                ),
                migrations.AlterField(
                    model_name='opportunity',
                    name='owner',
                    field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='opportunities', to=settings.AUTH_USER_MODEL, verbose_name='owner'),
                ),
            ],
        ),
    ]
