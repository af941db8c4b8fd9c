"""A restored backup brings erased persons back; the list outside of the database takes them out again."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from leads.models import Contact, ErasedMark, Erasure, LeadEvent
from pipeline import erasure_log
from pipeline.personal_data import erase
from pipeline.replay import replay
from tests.factories import NOON, ContactFactory, a_lead, days

pytestmark = pytest.mark.django_db

REQUEST = Erasure.Cause.REQUEST


@pytest.fixture(autouse=True)
def _folder(settings, tmp_path):
    settings.DATA_DIR = tmp_path / "data"


@pytest.fixture
def eve(mia) -> Contact:
    return a_lead(by=mia, contact=ContactFactory(name="Eve", email="eve@client.example")).contact


@pytest.fixture
def erased(eve, dora, django_capture_on_commit_callbacks) -> Contact:
    """Eve, erased; then the base of before is restored."""
    before = Contact.objects.filter(pk=eve.pk).values().get()
    with django_capture_on_commit_callbacks(execute=True):
        erase(eve, REQUEST, by=dora, at=NOON, note="by letter")
    Erasure.objects.all().delete()
    Contact.objects.filter(pk=eve.pk).update(**before)
    return eve


def test_an_act_is_written_outside_of_the_database_without_the_person(erased):  # L13
    text = erasure_log.path().read_text()
    [line] = [json.loads(line) for line in text.splitlines() if line]
    assert (line["contact"], line["cause"], line["at"]) == (erased.pk, "request", NOON.isoformat())
    assert "eve" not in text
    assert erasure_log.path().stat().st_mode & 0o077 == 0


def test_a_restored_person_is_erased_again_before_anybody_is_served(erased):  # L13
    assert Contact.objects.get(pk=erased.pk).name == "Eve"
    call_command("prepare", stdout=StringIO())
    again = Contact.objects.get(pk=erased.pk)
    assert (again.name, again.email, again.erased_at) == ("", "", NOON)
    act = Erasure.objects.get()
    assert (act.contact_number, act.erased_by, act.cause) == (erased.pk, None, REQUEST)
    assert ErasedMark.objects.filter(erasure=act).count() == 2
    events = LeadEvent.objects.count()
    assert replay().erased == 0
    assert LeadEvent.objects.count() == events


def test_who_has_the_number_of_an_erased_person_now_is_left_alone(erased):  # L13
    Contact.objects.filter(pk=erased.pk).update(created_at=timezone.now() + days(1), name="Somebody else")
    done = replay()
    assert (done.erased, done.unknown) == (0, 1)
    assert Contact.objects.get(pk=erased.pk).name == "Somebody else"


def test_another_key_recognises_nobody_and_says_so(erased, settings):
    settings.SECRET_KEY = "another key altogether, long enough"
    said = StringIO()
    call_command("replay_erasures", stdout=StringIO(), stderr=said)
    assert "SECRET_KEY" in said.getvalue()
    assert Contact.objects.get(pk=erased.pk).name == "Eve"


def test_torn_and_foreign_lines_do_no_harm(erased):
    good = erasure_log.path().read_text()
    erasure_log.path().write_text(
        '{"contact": 1, "cau\n[]\n{}\n"x"\n{"contact": "x", "cause": "no", "at": "", "marks": 5}\n' + good
    )
    assert replay().erased == 1


def test_acts_that_the_file_lacks_are_added(eve, dora):
    erase(eve, REQUEST, by=dora, at=NOON)  # the machine stopped before the line was written
    assert replay().added == 1
    assert [line.contact for line in erasure_log.read(erasure_log.path())] == [eve.pk]
    assert replay().added == 0


def test_without_a_file_nothing_happens(eve, tmp_path):
    assert replay() == type(replay())()
    with pytest.raises(Exception, match="no file"):
        call_command("replay_erasures", file=tmp_path / "nothing")
