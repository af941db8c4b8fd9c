"""The event log stays append-only, but for one thing: while a person is erased, the `data` of events may be rewritten.

The transaction that erases says so: on PostgreSQL by a setting of its own, on SQLite, which lets one writer in at a
time, by a row that it takes away again.
"""

from django.db import migrations

POSTGRESQL = """
    CREATE OR REPLACE FUNCTION leads_event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND current_setting('leadflow.erasing', true) = 'on'
            AND to_jsonb(NEW) - 'data' = to_jsonb(OLD) - 'data' THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'The event log is append-only';
    END $$
"""
POSTGRESQL_BEFORE = """
    CREATE OR REPLACE FUNCTION leads_event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'The event log is append-only';
    END $$
"""
SQLITE = [
    "CREATE TABLE leads_erasing (erasing integer NOT NULL)",
    "DROP TRIGGER leads_event_is_append_only",
    """
    CREATE TRIGGER leads_event_is_append_only BEFORE UPDATE ON leads_leadevent
    WHEN NOT EXISTS (SELECT 1 FROM leads_erasing)
        OR NEW.id IS NOT OLD.id OR NEW.lead_id IS NOT OLD.lead_id OR NEW.kind IS NOT OLD.kind
        OR NEW.from_stage IS NOT OLD.from_stage OR NEW.to_stage IS NOT OLD.to_stage
        OR NEW.at IS NOT OLD.at OR NEW.recorded_at IS NOT OLD.recorded_at OR NEW.actor_id IS NOT OLD.actor_id
    BEGIN SELECT RAISE(ABORT, 'The event log is append-only'); END
    """,
]
SQLITE_BEFORE = [
    "DROP TRIGGER leads_event_is_append_only",
    """
    CREATE TRIGGER leads_event_is_append_only BEFORE UPDATE ON leads_leadevent
    BEGIN SELECT RAISE(ABORT, 'The event log is append-only'); END
    """,
    "DROP TABLE leads_erasing",
]


def forwards(apps, schema_editor):
    for statement in [POSTGRESQL] if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement)


def backwards(apps, schema_editor):
    for statement in [POSTGRESQL_BEFORE] if schema_editor.connection.vendor == "postgresql" else SQLITE_BEFORE:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("leads", "0013_erased_marks")]

    operations = [migrations.RunPython(forwards, backwards, elidable=False)]
