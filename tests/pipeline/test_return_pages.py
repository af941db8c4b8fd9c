"""The pages about refusals: the form, the list of returns, an answer, a decision, what criteria learn."""  # H4

import pytest
from django.urls import reverse
from django.utils import timezone

from leads.models import CriteriaSet, Criterion
from pipeline import transitions
from pipeline.models import Handoff, ReturnAnswer
from tests.factories import NOON, ProductFactory, a_handoff, days, reason

pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.fixture
def now():
    return timezone.now()


def url(name, pk):
    return reverse(f"pipeline:{name}", args=[pk])


def refuse(handoff, by, at=NOON, **said):
    said = {"feedback": [("misread", "criterion:budget")], "not_asked": "Who <b>signs</b>"} | said
    transitions.reject(handoff, reason(), by=by, at=at, **said)
    return handoff


def test_the_form_asks_for_all_and_keeps_what_was_typed(as_user, mia, sam, now):
    handoff, client, gone = a_handoff(sam, by=mia, at=now), as_user(sam), ProductFactory()
    page = client.get(url("handoff_reject", handoff.pk)).content.decode()
    for part in ('data-evidence="person"', "who_said_no", "wanted_text", "failed_criterion", "criteria_doubt"):
        assert part in page
    gone.is_active = False
    gone.save()
    body = {
        "reason": reason(evidence="product").pk, "wanted_product": gone.pk, "missing": "x" * 10_000,
        "misread_at": ["criterion:budget", "criterion:no-such"], "criteria_doubt": "Too lax",
    }  # fmt: skip
    page = client.post(url("handoff_reject", handoff.pk), body).content.decode()
    assert "This product is not in use any more" in page
    assert "Too lax" in page
    assert "criterion:no-such" in page
    assert "at most 2000 characters" in page
    assert Handoff.objects.get().is_pending
    body |= {"wanted_product": "", "wanted_text": "Lamps", "missing": "", "misread_at": ["criterion:budget"]}
    client.post(url("handoff_reject", handoff.pk), body)
    assert Handoff.objects.get().feedback.get().field == "criterion:budget"


def test_marketing_answers_in_place_and_is_told_of_conflicts(
    as_user, mia, dan, sam, now, django_assert_max_num_queries
):
    for number in range(3):
        handoff = refuse(a_handoff(sam, by=mia, at=now - days(9 - number)), sam, at=now - days(5 - number))
    oldest = Handoff.objects.order_by("pk")[0]
    client, address = as_user(mia), reverse("pipeline:return_list")
    client.get(address)
    with django_assert_max_num_queries(30):
        response = client.get(address)
    assert response.context["rows"][0].handoff == oldest
    page = response.content.decode()
    assert "Who &lt;b&gt;signs&lt;/b&gt;" in page
    assert "agreed: 70" in page
    assert client.get(address, {"scope": "nobody"}).status_code == 400
    assert b"Returned by sales" in client.get(reverse("pipeline:home")).content
    assert b'name="answer"' not in as_user(sam).get(address).content  # sales reads, and doesn't answer
    unsaid = client.post(url("return_answer", oldest.pk), {"answer": "dispute"})
    assert (unsaid.status_code, "Say why" in unsaid.content.decode()) == (422, True)
    assert client.post(url("return_answer", oldest.pk), {"answer": "maybe"}).status_code == 422
    client.post(url("return_answer", oldest.pk), {"answer": "nurture", "note": "Next year"})
    late = as_user(dan).post(url("return_answer", oldest.pk), {"answer": "agree"})
    assert "Mia has answered already" in late.content.decode()
    client.post(url("return_answer", handoff.pk), {"agree_and_remove": reason("removal").pk})
    handoff.lead.refresh_from_db()
    assert (handoff.lead.stage, Handoff.objects.unanswered().count()) == ("removed", 1)


def test_the_director_decides_on_one_page_and_all_pages_show_it(as_user, mia, sam, dora, now):
    handoff = refuse(a_handoff(sam, by=mia, at=now), sam, at=now, criteria_doubt="Budgets are guesses")
    transitions.answer_return(handoff, "dispute", note="They named a sum", by=mia, at=now)
    client = as_user(dora)
    assert b"Disputes to decide" in client.get(reverse("pipeline:home")).content
    page = client.get(url("dispute_decide", handoff.pk)).content.decode()
    for words in ("They named a sum", "Budgets are guesses", "Who &lt;b&gt;signs&lt;/b&gt;", "answered the return"):
        assert words in page
    assert client.post(url("dispute_decide", handoff.pk), {"decision": "overturned"}).status_code == 422
    client.post(url("dispute_decide", handoff.pk), {"decision": "overturned", "note": "It is a lead"})
    assert ReturnAnswer.objects.get().decision == "overturned"
    again = client.post(url("dispute_decide", handoff.pk), {"decision": "upheld", "note": "x"})
    assert "Dora has decided already" in again.content.decode()
    shown = as_user(sam).get(url("handoff_detail", handoff.pk)).content.decode()
    assert "It is a lead" in shown
    assert "handoff no. 2" in as_user(sam).get(reverse("pipeline:inbox")).content.decode()
    lessons = client.get(url("criteria_lessons", CriteriaSet.objects.get().pk)).content.decode()
    assert "Budgets are guesses" in lessons
    assert "criterion=budget&amp;feedback=misread" in lessons
    listed = client.get(reverse("pipeline:handoff_list"), {"criterion": "budget", "feedback": "misread"})
    assert [row["handoff"].pk for row in listed.context["rows"]] == [handoff.pk]
    assert client.get(reverse("pipeline:handoff_list"), {"criterion": "colour"}).status_code == 400
    assert Criterion.objects.filter(key="budget").exists()
