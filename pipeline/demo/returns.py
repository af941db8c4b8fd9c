"""What sales refused in the demo: with feedback that marketing learns from, answered each way, disputed and decided."""

import datetime

from django.db.models import Exists, F, OuterRef

from leads.criteria.rules import CRITERION
from leads.models import Criterion, LeadEvent, Reason, Stage
from pipeline import transitions
from pipeline.demo.company import Company
from pipeline.models import Handoff, ReturnAnswer, ReturnFeedback
from pipeline.models.handoffs import HandoffQuerySet

DAY, HOUR = datetime.timedelta(days=1), datetime.timedelta(hours=1)
BATCH = 1_000
LEARNT_FROM = 365 * DAY  # refusals older than that have words alone
MOST = 2_000  # refusals that get feedback to tick
OPEN = 3  # the newest wait for an answer

# What the stories' words point at.
POINTS = {
    "Who signs the contract.": (CRITERION + "decides", ""),
    "How many branches they have.": ("company.employees", ""),
    "Whether there is a budget this year.": (CRITERION + "budget", "budget"),
    "When they want to decide.": (CRITERION + "timing", "timing"),
    "They wanted training only.": (CRITERION + "need", "need"),
    "“Interested” meant a free trial.": (CRITERION + "budget", "budget"),
}
DOUBTS = [
    "The criteria ask for a need, not for a date: they will look into it in two years.",
    "Ten employees are enough by our criteria, and they have neither a server nor anybody to look after one.",
]
Answer, Decision = ReturnAnswer.Answer, ReturnAnswer.Decision
# How the newest were answered that don't wait: with what words, and what the director decided with what words.
ANSWERS: list[tuple[ReturnAnswer.Answer, str, ReturnAnswer.Decision | None, str]] = [
    (Answer.DISPUTE, "They named a sum on the phone; it is in the brief.", None, ""),
    (Answer.DISPUTE, "The board has the offer on its agenda.", Decision.OVERTURNED, "A date and a sum: it is a lead."),
    (Answer.DISPUTE, "She asked for a call.", Decision.UPHELD, "A call was asked for, but by an intern."),
    (Answer.AGREE, "We should have asked who pays.", None, ""),
    (Answer.NURTURE, "They plan for next year.", None, ""),
    (Answer.REQUALIFY, "I'll ask for the number of branches.", None, ""),
]


def add_returns(company: Company, at: datetime.datetime) -> None:
    """Evidence and feedback for the last year's refusals, answers to most, and a few that wait for today."""
    _tell_why(at)
    waiting = list(_refused().filter(lead__stage=Stage.RETURNED).exclude(_later()).order_by("-decided_at", "-pk"))
    for handoff, doubt in zip(waiting, DOUBTS, strict=False):
        handoff.criteria_doubt = doubt
        handoff.save(update_fields=["criteria_doubt"])
    answered = waiting[OPEN : OPEN + len(ANSWERS)]
    for handoff, (answer, note, decision, why) in zip(answered, ANSWERS, strict=False):
        _answer(company, handoff, answer, note, decision, why, at)
    _answer_the_rest(company, at, {handoff.pk for handoff in waiting[: OPEN + len(ANSWERS)]})


def _refused() -> HandoffQuerySet:
    return Handoff.objects.filter(verdict=Handoff.Verdict.REJECTED).select_related("lead__contact", "reason")


def _later() -> Exists:
    return Exists(Handoff.objects.filter(lead=OuterRef("lead"), pk__gt=OuterRef("pk")))


def _tell_why(at: datetime.datetime) -> None:
    """What the stories said in words is ticked as well, and each reason has the evidence that it asks for."""
    recent = _refused().filter(decided_at__gte=at - LEARNT_FROM)
    feedback, changed = [], []
    criteria: dict[tuple[int | None, str], Criterion] = {
        (each.criteria_set_id, each.key): each for each in Criterion.objects.all()
    }
    for handoff in recent.order_by("-decided_at", "-pk")[:MOST]:
        for kind in ReturnFeedback.Kind:
            if point := POINTS.get(getattr(handoff, kind.value)):
                feedback.append(ReturnFeedback(handoff=handoff, kind=kind, field=point[0]))
        reason = handoff.reason
        evidence = reason.evidence if reason else ""
        if evidence == Reason.Evidence.PERSON:
            handoff.who_said_no = "Their head of purchasing"
        elif evidence == Reason.Evidence.PRODUCT:
            handoff.wanted_text = "Catering orders"
        elif reason and evidence == Reason.Evidence.CRITERION:
            key = "budget" if "budget" in reason.text else "need"
            handoff.failed_criterion = criteria.get((handoff.lead.criteria_set_id, key))
        changed.append(handoff)
    ReturnFeedback.objects.bulk_create(feedback, batch_size=500)
    Handoff.objects.bulk_update(changed, ["who_said_no", "wanted_text", "failed_criterion"], batch_size=500)


def _answer(
    company: Company,
    handoff: Handoff,
    answer: ReturnAnswer.Answer,
    note: str,
    decision: ReturnAnswer.Decision | None,
    why: str,
    at: datetime.datetime,
) -> None:
    """One answer of the day after, and the decision of the day after that, as the pages would have recorded them."""
    assert handoff.decided_at is not None
    marketer, director = company.users["Mia"], company.users["Dora"]
    answered_at = min(handoff.decided_at + DAY, at - 3 * HOUR)
    transitions.answer_return(handoff, answer, note=note, by=marketer, at=answered_at)
    if decision:
        # Who takes it again has had it since yesterday: nobody is late with it.
        decided_at = at - 20 * HOUR if decision == Decision.OVERTURNED else min(answered_at + DAY, at - HOUR)
        transitions.decide_dispute(handoff, decision, note=why, by=director, at=decided_at)


def _answer_the_rest(company: Company, at: datetime.datetime, besides: set[int]) -> None:
    """What happened to the leads of older refusals was the answer; of those that stayed returned, sales was right."""
    said = {Stage.WARM: Answer.NURTURE, Stage.RETURNED: Answer.AGREE, Stage.REMOVED: Answer.AGREE}
    rows = _refused().filter(answer=None).exclude(pk__in=besides).annotate(goes_on=_later()).order_by("pk")
    answers, events = [], []
    for handoff in rows.iterator(chunk_size=BATCH):
        answer = Answer.REQUALIFY if handoff.goes_on else said.get(Stage(handoff.lead.stage), Answer.REQUALIFY)
        answered_at = min((handoff.decided_at or at) + 2 * DAY, at)
        by = handoff.handed_over_by
        answers.append(ReturnAnswer(handoff=handoff, answer=answer, answered_at=answered_at, answered_by=by))
        events.append(
            LeadEvent(
                lead=handoff.lead,
                kind=LeadEvent.Kind.RETURN_ANSWERED,
                at=answered_at,
                actor=by,
                data={"answer": answer.value},
            )
        )
    ReturnAnswer.objects.bulk_create(answers, batch_size=BATCH)
    LeadEvent.objects.bulk_create(events, batch_size=BATCH)
    Handoff.objects.filter(answer__isnull=False, return_closed_at=None).exclude(pk__in=besides).update(
        return_closed_at=F("decided_at")
    )
