"""What contacts agreed to becomes rows of consents, the only place that says so; the next migration drops the columns."""

from django.db import migrations

TO_ROWS = """
    INSERT INTO leads_consent (contact_id, purpose, given_at, source, withdrawn_in)
    SELECT id, 'contact', consent_at, consent_source, '' FROM leads_contact
    WHERE consent_at IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM leads_consent AS there
        WHERE there.contact_id = leads_contact.id AND there.purpose = 'contact'
        AND there.given_at IS NOT NULL AND there.withdrawn_at IS NULL
    )
"""
TO_COLUMNS = """
    UPDATE leads_contact SET (consent_at, consent_source) = (
        SELECT given_at, source FROM leads_consent AS there
        WHERE there.contact_id = leads_contact.id AND there.purpose = 'contact'
        AND there.given_at IS NOT NULL AND there.withdrawn_at IS NULL
    )
    WHERE id IN (
        SELECT contact_id FROM leads_consent
        WHERE purpose = 'contact' AND given_at IS NOT NULL AND withdrawn_at IS NULL
    )
"""


class Migration(migrations.Migration):
    dependencies = [("leads", "0007_marketing")]

    operations = [migrations.RunSQL(TO_ROWS, TO_COLUMNS, elidable=False)]
