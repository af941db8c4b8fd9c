"""What the models can't say: trigram indexes for search (PostgreSQL), and an event log that can only grow."""

from django.db import migrations

TRIGRAM_TABLES = ["leads_lead", "leads_contact", "leads_campaign"]

POSTGRESQL = [
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    *(f"CREATE INDEX {table}_search ON {table} USING gin (search_text gin_trgm_ops)" for table in TRIGRAM_TABLES),
    "CREATE INDEX leads_company_search ON leads_company USING gin (folded_name gin_trgm_ops)",
    """
    CREATE FUNCTION leads_event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'The event log is append-only';
    END $$
    """,
    """
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON leads_leadevent
    FOR EACH ROW EXECUTE FUNCTION leads_event_is_append_only()
    """,
]
SQLITE = [
    # No trigger on DELETE: emptying a test database deletes row by row here.
    """
    CREATE TRIGGER leads_event_is_append_only BEFORE UPDATE ON leads_leadevent
    BEGIN SELECT RAISE(ABORT, 'The event log is append-only'); END
    """,
]


def forwards(apps, schema_editor):
    for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("leads", "0001_initial")]

    operations = [migrations.RunPython(forwards, elidable=False)]
