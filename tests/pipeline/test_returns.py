"""Refusals with their evidence, marketing's answers, disputes and the director's decisions."""  # H4

import pytest

from accounts.access import NotAllowed, NotYours
from leads.models import Criterion, CriterionAnswer, LeadEvent, Reason, Stage, UnmetDemand
from leads.timeline import entries
from pipeline import lessons, refusals, transitions
from pipeline.models import Activity, Handoff, Notification, ReturnAnswer
from pipeline.transitions import TransitionError
from tests.factories import NOON, ProductFactory, a_handoff, a_qualified_lead, days, meet_criteria, reason

pytestmark = pytest.mark.django_db
MISREAD = [("misread", "criterion:budget")]


def refuse(handoff, by, why=None, at=NOON, **said):
    transitions.reject(handoff, why or reason(), by=by, at=at, **({"feedback": MISREAD} | said))
    handoff.refresh_from_db()
    handoff.lead.refresh_from_db()
    return handoff


def refused(sam, mia, **said):
    return refuse(a_handoff(sam, by=mia), sam, **said)


def disputed(sam, mia):
    handoff = refused(sam, mia)
    transitions.answer_return(handoff, "dispute", note="They named a sum", by=mia, at=NOON + days(1))
    return handoff


def test_each_reason_asks_for_its_evidence_and_keeps_nothing_else(mia, sam):
    handoff, product = a_handoff(sam, by=mia), ProductFactory()
    criterion = Criterion.objects.get(key="budget")
    for evidence, asked in [("person", "who said no"), ("product", "which product"), ("criterion", "which criterion")]:
        with pytest.raises(TransitionError, match=asked):
            refuse(handoff, sam, reason(evidence=evidence))
    everything = {"who_said_no": "The boss", "wanted_product": product, "failed_criterion": criterion}
    refuse(handoff, sam, reason(evidence="person"), **everything)
    assert (handoff.who_said_no, handoff.wanted_product, handoff.failed_criterion) == ("The boss", None, None)
    refuse(other := a_handoff(sam, by=mia), sam, reason(evidence="product"), **everything)
    assert (other.who_said_no, other.wanted_product) == ("", product)
    refuse(
        third := a_handoff(sam, by=mia), sam, reason(evidence="criterion"), missing="x", **everything | {"feedback": []}
    )
    assert (third.failed_criterion, third.criteria_doubt) == (criterion, "")
    told = [text for _label, text in entries([third.lead.events.get(kind="returned")])[0].details]
    assert told == [str(criterion), "x"]


def test_evidence_of_another_set_or_a_product_out_of_use_is_refused(mia, sam):
    handoff = a_handoff(sam, by=mia)
    foreign = Criterion.objects.get(key="budget")
    other_set = foreign.criteria_set
    foreign.pk, other_set.pk, other_set.version = None, None, 2
    other_set.in_force_at = NOON + days(9)
    other_set.save()
    foreign.criteria_set, foreign.key = other_set, "colour"
    foreign.save()
    with pytest.raises(TransitionError, match="wasn't judged by that"):
        refuse(handoff, sam, reason(evidence="criterion"), failed_criterion=foreign)
    for field in ("criterion:colour", "answer.shoe", "lead.secret", ""):
        with pytest.raises(TransitionError, match="wasn't judged by that"):
            refuse(handoff, sam, feedback=[("misread", field)])
    with pytest.raises(ValueError, match="vague"):
        refuse(handoff, sam, feedback=[("vague", "criterion:budget")])
    with pytest.raises(TransitionError, match="not in use any more"):
        refuse(handoff, sam, reason(evidence="product"), wanted_product=ProductFactory(is_active=False))
    assert Handoff.objects.get().is_pending


def test_bad_lead_alone_is_not_accepted_and_attempts_stand_for_themselves(mia, sam):
    handoff = a_handoff(sam, by=mia)
    with pytest.raises(TransitionError, match="Say at least one"):
        refuse(handoff, sam, feedback=[])
    for day in range(3):
        transitions.log_activity(
            handoff.lead, Activity.Kind.CALL, Activity.Outcome.NO_ANSWER, by=sam, at=NOON + days(day)
        )
    refuse(handoff, sam, reason(evidence="attempts"), at=NOON + days(3), feedback=[])
    assert handoff.verdict == "rejected"


def test_who_refuses_a_lead_that_meets_every_criterion_says_why_the_criteria_are_wrong(mia, sam):
    handoff = a_handoff(sam, by=mia)
    with pytest.raises(TransitionError, match="meets every criterion"):
        refuse(handoff, sam, feedback=[], missing="The budget")
    refuse(handoff, sam, feedback=[], criteria_doubt="Ten people are too few")
    assert handoff.criteria_doubt == "Ten people are too few"
    assert [row.pk for row in lessons.doubts(NOON + days(1))[0]] == [handoff.pk]
    lead = a_qualified_lead(by=mia)
    lead.answers.filter(key="size").update(value=CriterionAnswer.Value.UNKNOWN)
    unsure = transitions.hand_over(lead, to=sam, by=mia, at=NOON)
    lead.answers.filter(key="size").update(value=CriterionAnswer.Value.YES)  # learnt since: the handoff counts
    refuse(unsure, sam, feedback=[], missing="Its size", criteria_doubt="Not asked for")
    assert unsure.criteria_doubt == ""


def test_what_we_dont_sell_is_unmet_demand_and_undo_takes_everything_back(mia, sam):
    handoff = refused(sam, mia, why=reason(evidence="product"), wanted_text=" Parking  sensors")
    assert UnmetDemand.objects.get().name == "Parking sensors"
    event = handoff.lead.events.filter(kind="returned").get()
    transitions.undo(event, by=sam, at=NOON + days(1))
    handoff.refresh_from_db()
    assert (handoff.is_pending, handoff.wanted_text, handoff.reason, handoff.criteria_doubt) == (True, "", None, "")
    assert not handoff.feedback.exists()
    assert not UnmetDemand.objects.exists()
    assert not mia.notifications.filter(kind="returned").exists()
    with pytest.raises(TransitionError, match="hasn't returned"):
        transitions.answer_return(handoff, "agree", by=mia, at=NOON)
    refuse(handoff, sam, at=NOON + days(2))  # and may be refused anew
    assert handoff.feedback.get().field == "criterion:budget"


@pytest.mark.parametrize(
    ("answer", "stage"), [("requalify", "briefed"), ("nurture", "warm"), ("agree", "returned"), ("dispute", "returned")]
)
def test_each_answer_is_kept_once_told_to_sales_and_undone(answer, stage, mia, dan, sam):
    lead = meet_criteria(a_qualified_lead(by=mia), by=mia)
    lead.briefed_at = lead.contacted_at = NOON
    lead.save()
    handoff = refuse(transitions.hand_over(lead, to=sam, by=mia, at=NOON), sam)
    transitions.answer_return(handoff, answer, note="Because", by=mia, at=NOON + days(1))
    handoff.refresh_from_db()
    handoff.lead.refresh_from_db()
    kept = ReturnAnswer.objects.get()
    assert (handoff.lead.stage, kept.answer, kept.note) == (stage, answer, "Because")
    assert handoff.return_closed_at == NOON + days(1)
    assert sam.notifications.filter(kind="return_answered").count() == 1
    assert handoff.lead.events.filter(kind="return_answered").count() == 1
    with pytest.raises(TransitionError, match=r"Mia has answered already \(.*\)"):
        transitions.answer_return(handoff, "agree", by=dan, at=NOON + days(2))
    with pytest.raises(NotAllowed):
        transitions.answer_return(handoff, "agree", by=sam, at=NOON)
    with pytest.raises(NotYours):
        transitions.undo(handoff.lead.events.order_by("-pk")[0], by=dan, at=NOON)
    last = handoff.lead.events.exclude(kind="nurture").order_by("-pk")[0]
    transitions.undo(last, by=mia, at=NOON + days(2))
    handoff.refresh_from_db()
    handoff.lead.refresh_from_db()
    assert (handoff.lead.stage, handoff.return_closed_at) == ("returned", None)
    assert not ReturnAnswer.objects.exists()
    assert not Notification.objects.filter(kind__in=["return_answered", "disputed"]).exists()


def test_who_agrees_may_remove_the_lead_and_a_dispute_needs_words(mia, sam):
    handoff = refused(sam, mia)
    with pytest.raises(TransitionError, match="Say why"):
        transitions.answer_return(handoff, "dispute", note=" ", by=mia, at=NOON)
    transitions.answer_return(handoff, "agree", removal=reason("removal"), by=mia, at=NOON + days(1))
    handoff.lead.refresh_from_db()
    assert (handoff.lead.stage, ReturnAnswer.objects.get().answer) == ("removed", "agree")
    transitions.undo(handoff.lead.events.get(kind="removed"), by=mia, at=NOON + days(2))
    handoff.refresh_from_db()
    assert (handoff.return_closed_at, ReturnAnswer.objects.count()) == (None, 0)


@pytest.mark.parametrize("step", ["qualify", "keep_warm", "record_brief", "remove"])
def test_a_step_without_an_answer_is_the_answer(step, mia, sam):
    handoff = refused(sam, mia)
    more = {"record_brief": ["Twenty shops"], "remove": [reason("removal")]}.get(step, [])
    getattr(transitions, step)(handoff.lead, *more, by=mia, at=NOON + days(1))
    said = {"qualify": "requalify", "keep_warm": "nurture", "record_brief": "requalify", "remove": "agree"}[step]
    assert (ReturnAnswer.objects.get().answer, ReturnAnswer.objects.get().answered_by) == (said, mia)
    assert not Handoff.objects.unanswered().exists()
    if step != "record_brief":
        event = handoff.lead.events.exclude(kind="return_answered").order_by("-pk")[0]
        transitions.undo(event, by=mia, at=NOON + days(2))
        assert Handoff.objects.unanswered().get() == handoff


def test_a_lead_handed_over_again_counts_its_handoffs(mia, sam):
    handoff = refused(sam, mia)
    transitions.answer_return(handoff, "requalify", by=mia, at=NOON + days(1))
    transitions.qualify(handoff.lead, by=mia, at=NOON + days(2))
    again = transitions.hand_over(handoff.lead, to=sam, by=mia, at=NOON + days(2))
    numbers = dict(Handoff.objects.for_list().values_list("pk", "number"))
    assert numbers == {handoff.pk: 1, again.pk: 2}


def test_the_director_sends_a_lead_back_to_sales_with_new_clocks(mia, sam, sid, dora):
    handoff = disputed(sam, mia)
    assert dora.notifications.filter(kind="disputed").count() == 1
    for who in (mia, sam):
        with pytest.raises(NotAllowed):
            transitions.decide_dispute(handoff, "upheld", note="x", by=who, at=NOON)
    with pytest.raises(TransitionError, match="Say why"):
        transitions.decide_dispute(handoff, "overturned", note="", by=dora, at=NOON + days(2))
    with pytest.raises(TransitionError, match="isn't possible"):  # only a decision may
        transitions.hand_over(handoff.lead, to=sam, by=mia, at=NOON + days(2))
    with pytest.raises(TransitionError, match="doesn't work in sales"):
        transitions.decide_dispute(handoff, "overturned", note="x", to=mia, by=dora, at=NOON + days(2))
    again = transitions.decide_dispute(handoff, "overturned", note="It is one", by=dora, at=NOON + days(2))
    assert (again.assigned_to, again.verdict, again.first_contact_due_at) == (sam, "pending", NOON + days(9))
    assert again.lead.stage == Stage.HANDED_OVER
    for side in (mia, sam):
        assert side.notifications.filter(kind="dispute_decided").count() == 1
    with pytest.raises(TransitionError, match="Dora has decided already"):
        transitions.decide_dispute(handoff, "upheld", note="x", by=dora, at=NOON + days(3))
    (entry, *_rest) = entries(LeadEvent.objects.filter(lead=handoff.lead).order_by("-pk"))
    assert "Sam takes it again" in entry.sentence
    transitions.undo(entry.event, by=dora, at=NOON + days(3))
    handoff.lead.refresh_from_db()
    assert (handoff.lead.stage, Handoff.objects.count()) == ("returned", 1)
    chosen = transitions.decide_dispute(handoff, "overturned", note="x", to=sid, by=dora, at=NOON + days(4))
    assert chosen.assigned_to == sid


def test_when_a_dispute_fails_marketing_chooses_another_way_once(mia, dan, sam, dora):
    handoff = disputed(sam, mia)
    assert not Handoff.objects.unanswered().exists()  # it is with the director
    transitions.decide_dispute(handoff, "upheld", note="No money", by=dora, at=NOON + days(2))
    assert Handoff.objects.unanswered().get() == handoff
    with pytest.raises(TransitionError, match="Dora has decided already"):
        transitions.answer_return(handoff, "dispute", note="But", by=mia, at=NOON + days(3))
    transitions.answer_return(handoff, "nurture", by=mia, at=NOON + days(3))
    answer = ReturnAnswer.objects.get()
    assert (answer.answer, answer.decision, answer.afterwards, answer.afterwards_by) == (
        "dispute", "upheld", "nurture", mia,
    )  # fmt: skip
    with pytest.raises(TransitionError, match="Mia has answered already"):
        transitions.answer_return(handoff, "agree", by=dan, at=NOON + days(4))


def test_a_dispute_that_its_own_side_leaves_is_withdrawn_and_comes_back_by_undo(mia, sam, dora):
    handoff = disputed(sam, mia)
    transitions.keep_warm(handoff.lead, by=mia, at=NOON + days(2))
    assert not ReturnAnswer.objects.to_decide().exists()
    with pytest.raises(TransitionError, match="Mia has answered already"):
        transitions.decide_dispute(handoff, "overturned", note="x", by=dora, at=NOON + days(3))
    transitions.undo(handoff.lead.events.get(kind="warm"), by=mia, at=NOON + days(3))
    handoff.refresh_from_db()
    assert (ReturnAnswer.objects.to_decide().count(), handoff.return_closed_at) == (1, NOON + days(1))


def test_an_erased_persons_dispute_still_ends(mia, sam, dora):
    handoff = disputed(sam, mia)
    contact = handoff.lead.contact
    contact.erased_at = NOON
    contact.save()
    with pytest.raises(NotAllowed):
        transitions.decide_dispute(handoff, "overturned", note="x", by=dora, at=NOON + days(2))
    transitions.decide_dispute(handoff, "upheld", note="Their words", by=dora, at=NOON + days(2))
    assert ReturnAnswer.objects.get().decision_note == ""
    with pytest.raises(NotAllowed):
        transitions.answer_return(handoff, "requalify", by=mia, at=NOON + days(3))
    transitions.answer_return(handoff, "agree", by=mia, at=NOON + days(3))


def test_the_figures_count_what_their_links_list(mia, sam, dora):
    now = NOON + days(5)
    budget = Criterion.objects.get(key="budget")
    refused(sam, mia, why=reason(evidence="criterion"), failed_criterion=budget)
    overturned = disputed(sam, mia)
    transitions.decide_dispute(overturned, "overturned", note="x", by=dora, at=NOON + days(2))
    accepted = a_handoff(sam, by=mia)
    transitions.log_activity(accepted.lead, Activity.Kind.CALL, Activity.Outcome.REACHED, by=sam, at=NOON)
    transitions.accept(accepted, by=sam, at=NOON)
    a_handoff(sam, by=mia, at=NOON - days(100))
    share = lessons.accepted_share(now)
    assert (share.accepted, share.handed_over, share.pending, share.target) == (1, 4, 1, 70)
    assert (share.share, share.is_reached) == (0.25, False)
    rows = {row.reason.pk: (row.standing, row.overturned) for row in lessons.refusals_by_reason(now)}
    assert rows == {reason(evidence="criterion").pk: (1, 0), reason().pk: (0, 1)}
    (of_budget,) = [row for row in lessons.of_criteria(Criterion.objects.all(), now) if row.label == str(budget)]
    assert {kind: (few, many) for kind, few, many, *_urls in of_budget.counts} == {
        "fails": (1, 1), "misread": (2, 2), "not_asked": (0, 0), "missing": (0, 0),
    }  # fmt: skip
    assert Handoff.objects.telling("misread", "budget").count() == 2
    assert Handoff.objects.telling("", "budget").count() == 2
    assert Handoff.objects.telling("fails", "need").count() == 0
    for state, many in [("stands", 1), ("overturned", 1), ("unanswered", 1), ("disputed", 0), ("upheld", 0)]:
        assert Handoff.objects.all().refused(state).count() == many, state


def test_what_may_be_pointed_at_is_what_was_known_at_the_handoff(mia, sam, django_assert_max_num_queries):
    handoff = a_handoff(sam, by=mia)
    contact = handoff.lead.contact
    contact.job_title = "Head of IT"
    contact.save()
    pointers = refusals.refusable(handoff).pointers()
    assert "contact.job_title" in {each.field for each in pointers["missing"]}
    assert "contact.email" in {each.field for each in pointers["misread"]}
    assert {"criterion:budget", "criterion:need"} <= {each.field for each in pointers["not_asked"]}
    rows = [refused(sam, mia) for _each in range(5)]
    with django_assert_max_num_queries(4):
        shown = refusals.shown(rows)
    assert shown[0].told[0].pointed_at == [str(Criterion.objects.get(key="budget"))]


def test_a_reason_of_another_kind_is_none(mia, sam):
    with pytest.raises(TransitionError, match="choose a reason"):
        transitions.reject(a_handoff(sam, by=mia), Reason.objects.filter(kind="loss")[0], by=sam, at=NOON)
