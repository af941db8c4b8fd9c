"""Who doesn't want to be contacted isn't: not from a page, a file, an export or by an attempt."""

import csv
import io

import pytest

from leads.contact_sync import upsert_contacts
from leads.models import Contact
from pipeline import transitions
from pipeline.models import Activity
from pipeline.transitions import TransitionError
from tests.factories import NOON, ContactFactory, a_handoff, a_lead, an_opportunity

pytestmark = pytest.mark.django_db

Kind, Outcome = Activity.Kind, Activity.Outcome


@pytest.fixture
def quiet(db) -> Contact:
    """Somebody who asked to be left alone."""
    contact = ContactFactory(name="Eve Quiet", email="eve@client.example", do_not_contact=True)
    contact.set_phone("+14155552671")
    contact.save()
    return contact


def test_no_page_offers_to_call_or_write(as_user, mia, sam, quiet):  # L13
    lead, handoff = a_lead(by=mia, contact=quiet), a_handoff(sam, by=mia, contact=ContactFactory(do_not_contact=True))
    opportunity = an_opportunity(sam, by=mia)
    Contact.objects.filter(pk=opportunity.lead.contact_id).update(do_not_contact=True)
    for user, url in (
        (mia, f"/leads/{lead.pk}/"),
        (mia, f"/contacts/{quiet.pk}/"),
        (mia, "/contacts/"),
        (mia, "/leads/"),
        (sam, "/inbox/"),
        (sam, f"/handoffs/{handoff.pk}/"),
        (sam, f"/opportunities/{opportunity.pk}/"),
    ):
        page = as_user(user).get(url).content.decode()
        assert "tel:" not in page, url
        assert "mailto:" not in page, url
        assert "Do not contact" in page, url


def test_an_export_leaves_out_how_to_reach_them_and_says_why(as_user, mia, quiet):  # L13
    a_lead(by=mia, contact=quiet)
    a_lead(by=mia, contact=ContactFactory(email="open@client.example"))
    answer = as_user(mia).get("/leads/export/")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert {(row["do_not_contact"], row["email"], row["phone"]) for row in rows} == {
        ("yes", "", ""),
        ("no", "open@client.example", ""),
    }


@pytest.mark.parametrize(("kind", "outcome"), sorted(Activity.OUTGOING))
def test_an_attempt_to_reach_them_is_refused(kind, outcome, mia, quiet):  # L13
    lead = a_lead(by=mia, contact=quiet)
    with pytest.raises(TransitionError, match="doesn't want to be contacted"):
        transitions.log_activity(lead, kind, outcome, by=mia, at=NOON)
    assert not lead.activities.exists()


def test_what_they_did_of_themselves_is_recorded(mia, quiet):  # L13
    lead = a_lead(by=mia, contact=quiet)
    for kind, outcome in ((Kind.CALL, Outcome.REACHED), (Kind.EMAIL, Outcome.REACHED), (Kind.MEETING, Outcome.REACHED)):
        transitions.log_activity(lead, kind, outcome, by=mia, at=NOON)
    assert lead.activities.count() == 3


def test_another_systems_old_copy_sets_it_but_never_ends_it(mia, quiet):  # A2 L13
    quiet.identities.create(system="crm", external_id="1")
    items = [{"external_id": "1", "do_not_contact": False}, {"external_id": "2", "do_not_contact": True}]
    upsert_contacts("crm", items, by=mia, at=NOON)
    assert set(Contact.objects.values_list("do_not_contact", flat=True)) == {True}
    again = upsert_contacts("crm", items, by=mia, at=NOON)
    assert {done.status for done in again.values()} == {"unchanged"}
