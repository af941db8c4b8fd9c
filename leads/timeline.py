"""What happened to a lead, in words: one sentence for each kind of event."""

import dataclasses
import datetime
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from leads import routed
from leads.criteria.rules import CRITERION, labels
from leads.models import Contact, CriterionAnswer, Lead, LeadEvent, Referral, Stage, Submission
from leads.models.consents import Purpose
from leads.questionnaires import CONTACT_FIELDS

Kind = LeadEvent.Kind

# icon, state ("ok", "soon", "overdue" or none), sentence after the person's name
SENTENCES: dict[Kind, tuple[str, str, str | Promise]] = {
    Kind.REGISTERED: ("user-plus", "", _("registered the lead")),
    Kind.REGISTERED_AGAIN: ("arrow-path", "", _("met this person again")),
    Kind.EDITED: ("pencil-square", "", _("changed the facts")),
    Kind.NOTE: ("chat-bubble-left", "", _("wrote a note")),
    Kind.CRITERION: ("clipboard-document-check", "", _("answered “%(criterion)s”: %(answer)s")),
    Kind.ANSWERED: ("clipboard-document-list", "", _("filled in “%(questionnaire)s”")),
    Kind.JUDGED: ("scale", "", _("judged the lead by criteria version %(criteria_version)s: %(verdict)s")),
    Kind.CONSENT: ("hand-raised", "", _("%(step)s: %(purpose)s")),
    Kind.NURTURE: ("sparkles", "", _("did a nurture step of “%(plan)s”")),
    Kind.ATTEMPT_PLANNED: ("clock", "", _("will try again on %(when)s")),
    Kind.UNTOUCHED: ("exclamation-triangle", "overdue", _("told %(told)s: nobody called in time")),
    Kind.ERASED: ("eye-slash", "", _("erased the personal data")),
    Kind.REFERRED: ("arrow-top-right-on-square", "soon", _("referred the lead to %(partner)s")),
    Kind.REFERRAL_CLOSED: ("arrow-uturn-left", "", _("heard back from %(partner)s: %(outcome)s")),
    Kind.DEMAND: ("question-mark-circle", "", _("noted a request for “%(demand)s”, which we don't sell")),
    Kind.ACTIVITY: ("phone", "", _("%(activity)s: %(outcome)s")),
    Kind.CONTACTED: ("phone-arrow-up-right", "ok", _("made marketing's first contact")),
    Kind.BRIEFED: ("document-text", "ok", _("filled in the brief")),
    Kind.WARM: ("fire", "soon", _("keeps the lead warm")),
    Kind.QUALIFIED: ("check-badge", "ok", _("qualified the lead by criteria version %(criteria_version)s")),
    Kind.HANDED_OVER: ("arrow-right-circle", "ok", _("handed the lead over to %(rep)s")),
    Kind.REASSIGNED: ("arrows-right-left", "", _("gave the lead to %(rep)s instead of %(before)s")),
    Kind.IN_WORK: ("phone-arrow-up-right", "ok", _("made sales' first contact")),
    Kind.ACCEPTED: ("check-circle", "ok", _("accepted the lead")),
    Kind.RETURNED: ("arrow-uturn-left", "soon", _("rejected the lead: %(reason)s")),
    Kind.RETURN_ANSWERED: ("chat-bubble-left-right", "", _("answered the return: %(answer)s")),
    Kind.DISPUTE_DECIDED: ("scale", "", _("decided the dispute: %(decision)s")),
    Kind.MOVED: ("arrow-right", "", _("moved the lead from %(from_stage)s to %(to_stage)s")),
    Kind.DEMO: ("presentation-chart-line", "ok", _("held a demo")),
    Kind.PROPOSAL: ("document-text", "ok", _("sent the proposal")),
    Kind.CONTRACT: ("document-check", "ok", _("sent the contract")),
    Kind.WON: ("trophy", "ok", _("won the client for %(amount)s")),
    Kind.LOST: ("x-circle", "overdue", _("lost the opportunity: %(reason)s")),
    Kind.PAYMENT: ("banknotes", "ok", _("recorded a payment of %(amount)s on %(paid_on)s")),
    Kind.RECYCLING: ("arrow-path", "", _("will ask again on %(when)s")),
    Kind.RECYCLED: ("arrow-path", "ok", _("brought the lead back: interested again")),
    Kind.REVIEWED: ("clipboard-document-check", "", _("reviewed by “%(checklist)s” what %(person)s did")),
    Kind.ASKED_FOR: ("inbox-arrow-down", "", _("noted that the client asked on %(when)s for: %(what)s")),
    Kind.OBJECTION: ("hand-raised", "soon", _("noted an objection: %(what)s")),
    Kind.OBJECTION_ENDED: ("chat-bubble-left-right", "", _("noted how an objection ended (%(what)s): %(result)s")),
    Kind.REOPENED: ("arrow-uturn-left", "soon", _("took back: %(what)s")),
    Kind.REPEAT: ("arrow-path-rounded-square", "ok", _("opened a repeat purchase")),
    Kind.REMOVED: ("trash", "overdue", _("removed the lead: %(reason)s")),
    Kind.RESTORED: ("arrow-uturn-left", "", _("restored the lead")),
    Kind.UNDONE: ("arrow-uturn-left", "", _("took back: %(what)s")),
    Kind.REMINDED: ("bell-alert", "soon", _("reminded %(told)s: %(clock)s is due soon")),
    Kind.OVERDUE: ("exclamation-triangle", "overdue", _("told %(told)s: %(clock)s is overdue")),
    Kind.ESCALATED: ("megaphone", "overdue", _("told %(told)s: %(clock)s is still overdue")),
    Kind.MAIL_FAILED: ("exclamation-triangle", "overdue", _("found that the e-mail “%(subject)s” didn't arrive")),
    Kind.COLD: ("moon", "overdue", _("found the lead cold: nobody was in touch for too long")),
    Kind.PAUSED: ("pause-circle", "soon", _("paused the clocks until %(until)s")),
    Kind.RESUMED: ("play-circle", "", _("let the clocks go on")),
    Kind.POOLED: ("inbox-stack", "overdue", _("put the lead back into the pool; %(rep)s had it")),
    Kind.TAKEN: ("hand-raised", "ok", _("took the lead from the pool; %(before)s had it")),
    Kind.CONTENT_REQUESTED: ("document-plus", "", _("asked for content: “%(content)s”")),
    Kind.CONTENT_USED: ("document-text", "", _("used “%(content)s”")),
    Kind.DATA_FAULT: ("exclamation-circle", "soon", _("found a fault in the imported data")),
}

# What the pipeline writes into an activity's event.
ACTIVITIES = {
    "call": ("phone", _("called")),
    "email": ("envelope", _("wrote an e-mail")),
    "meeting": ("users", _("met")),
    "demo": ("presentation-chart-line", _("gave a demo")),
}
CONVERSATIONS = {"call", "meeting", "demo"}  # what can be reviewed, on a page of its own
OUTCOMES = {
    "reached": _("reached"),
    "sent": _("sent"),
    "no_answer": _("no answer"),
    "wrong_number": _("wrong number"),
    "call_back": _("call back later"),
}
CONSENT_STEPS = {
    "given": _("recorded the consent"),
    "withdrawn": _("recorded the withdrawal of the consent"),
    "asked": _("asked by mail to confirm what was ticked on a public page"),
    "ticked": _("recorded no consent, since the person had said no before this was ticked on a public page"),
}
_VERDICTS = {True: pgettext_lazy("criteria", "met"), False: pgettext_lazy("criteria", "not met")}
# What the pipeline writes into a nurture step's event: by its `step`.
NURTURE: dict[str, tuple[str, str, str | Promise]] = {
    "entered": ("sparkles", "", _("began the nurture plan “%(plan)s”")),
    "put_back": ("sparkles", "", _("put the lead back into the nurture plan “%(plan)s”")),
    "sent": ("envelope", "ok", _("sent “%(subject)s” by the nurture plan “%(plan)s”")),
    "task": ("clipboard-document-check", "", _("gave %(who)s the task “%(task)s” by the nurture plan “%(plan)s”")),
    "skipped": ("forward", "", _("left out a step of the nurture plan “%(plan)s”: %(why)s")),
    "left": ("stop-circle", "", _("ended the nurture plan “%(plan)s”: %(why)s")),
    "proposed": ("check-badge", "soon", _("found that the lead meets the criteria: qualify it?")),
}
NURTURE_WHY = {
    "no_consent": _("they may not be mailed"),
    "no_event": _("no event to invite to"),
    "finished": _("all steps were done"),
    "replied": _("they replied"),
    "met_criteria": _("the lead meets the criteria"),
    "opted_out": _("they opted out"),
    "bounced": _("the e-mail bounced"),
    "left_warm": _("the lead isn't warm any more"),
    "by_hand": _("taken out by hand"),
}
# What the pipeline writes when a lost or warm lead is to be asked again: by its `step`.
RECYCLING: dict[str, tuple[str, str, str | Promise]] = {
    "later": ("clock", "", _("asked, and will ask again on %(when)s")),
    "no": ("no-symbol", "", _("asked again: no, for good")),
}
OBJECTIONS = {
    "price": _("price"),
    "assortment": _("assortment"),
    "terms": _("terms"),
    "other": pgettext_lazy("objection", "other"),
}
OBJECTION_ENDS = {"answered": _("answered: they agree"), "given_in": _("we gave in"), "stands": _("it stands")}
# What an edit may change of an opportunity.
DEAL_FIELDS = {
    "amount": _("amount"),
    "margin": _("margin"),
    "currency": _("currency"),
    "rate": _("rate"),
    "expected_close_on": _("expected close"),
    "next_step": _("next step"),
    "next_step_on": _("next step on"),
    "lines": _("lines"),
    "payment_plan": _("payment plan"),
}
CLOCKS = {"first_contact": _("the first contact"), "verdict": _("the verdict")}
# How a return was answered, and a dispute about it decided, as the pipeline writes it.
RETURN_ANSWERS = {
    "requalify": ("arrow-path", "soon", _("qualify again")),
    "nurture": ("fire", "soon", _("keep warm")),
    "agree": ("check-circle", "", _("sales is right")),
    "dispute": ("scale", "overdue", _("dispute: the director decides")),
}
DECISIONS = {
    "upheld": ("soon", _("the refusal stands")),
    "overturned": ("ok", _("it is a lead, and %(rep)s takes it again")),
}
EVIDENCE = {
    "who_said_no": _("Who said no"),
    "wanted_product": _("Wanted product"),
    "wanted_text": _("Wanted, but not sold by us"),
    "criterion": _("Failed criterion"),
}
FEEDBACK = {
    "missing": _("What was missing"),
    "not_asked": _("What was not asked"),
    "misread": _("What was misread"),
}


@dataclasses.dataclass(frozen=True)
class Entry:
    """One line of a timeline: who, what in words, and what they wrote."""

    event: LeadEvent
    who: str
    icon: str
    state: str
    sentence: str
    details: list[tuple[str, str]]
    url: str = ""


def entries(events: Iterable[LeadEvent]) -> list[Entry]:
    """The events in words, in the order given."""
    events = list(events)
    names = {CRITERION + str(event.data.get("key")) for event in events if event.kind == Kind.CRITERION}
    for event in events:
        if event.kind == Kind.RETURNED:
            names.update(field for _kind, field in _pointed_at(event.data))
            names.update([CRITERION + str(event.data["criterion"])] if event.data.get("criterion") else [])
    texts = labels(names) if names else {}
    undone = {str(event.data.get("undone")) for event in events if event.kind == Kind.UNDONE}
    return [_entry(event, texts, undone) for event in events]


def _pointed_at(data: dict[str, Any]) -> list[tuple[str, str]]:
    """(kind, field) of what sales pointed at when it returned the lead."""
    pairs = data.get("feedback")
    pairs = pairs if isinstance(pairs, list) else []
    return [(str(pair[0]), str(pair[1])) for pair in pairs if isinstance(pair, list) and len(pair) == 2]


def _refusal(data: dict[str, Any], texts: dict[str, str]) -> list[tuple[str, str]]:
    """What sales showed and told marketing when it returned the lead: (question, answer) of each that was answered."""
    shown = data | ({"criterion": texts.get(f"{CRITERION}{data['criterion']}")} if data.get("criterion") else {})
    lines = [(str(label), str(shown[name])) for name, label in EVIDENCE.items() if shown.get(name)]
    for name, label in FEEDBACK.items():
        said = [", ".join(texts.get(field, field) for kind, field in _pointed_at(data) if kind == name), data.get(name)]
        lines += [(str(label), " · ".join(map(str, filter(None, said))))] if any(said) else []
    if data.get("criteria_doubt"):
        lines.append((gettext("Why the criteria are wrong"), str(data["criteria_doubt"])))
    return lines


def reason(data: dict[str, Any]) -> str:
    """The reason that an event keeps, translated where it is one that LeadFlow came with."""
    return gettext(str(data["reason"])) if data.get("reason") else "—"


def _entry(event: LeadEvent, texts: dict[str, str], undone: set[str]) -> Entry:
    data = event.data
    icon, state, sentence = SENTENCES[Kind(event.kind)]
    words = _Words(data) | {
        "from_stage": _stage(event.from_stage),
        "to_stage": _stage(event.to_stage),
        "reason": reason(data),
        "clock": CLOCKS.get(str(data.get("clock")), "—"),
        "told": ", ".join(map(str, data.get("told") or ["—"])),
    }
    details = [("", str(data["note"]))] if data.get("note") else []
    if data.get("typed_by"):
        details.append((gettext("Typed at the stand by"), str(data["typed_by"])))
    if event.kind == Kind.CRITERION:
        words["criterion"] = texts[CRITERION + str(data.get("key"))].removeprefix(CRITERION)
        value = data.get("value")
        words["answer"] = CriterionAnswer.Value(value).label if value in CriterionAnswer.Value.values else "—"
    elif event.kind == Kind.JUDGED:
        words["verdict"] = _VERDICTS.get(data.get("is_met"), "—")
        if data.get("before_version"):
            before = gettext("Version %(version)s") % {"version": data["before_version"]}
            details.append((before, str(_VERDICTS.get(data.get("was_met"), "—"))))
    elif event.kind == Kind.ACTIVITY:
        icon, words["activity"] = ACTIVITIES.get(str(data.get("activity")), (icon, data.get("activity")))
        words["outcome"] = OUTCOMES.get(str(data.get("outcome")), data.get("outcome"))
    elif event.kind == Kind.REFERRAL_CLOSED:
        words["outcome"] = (
            Referral.Outcome(outcome).label if (outcome := data.get("outcome")) in Referral.Outcome.values else "—"
        )
    elif event.kind in {Kind.ASKED_FOR, Kind.REOPENED}:
        words["what"], words["when"] = _stage(str(data.get("what"))), _moment(data.get("when"))
    elif event.kind in {Kind.OBJECTION, Kind.OBJECTION_ENDED}:
        words["what"] = OBJECTIONS.get(str(data.get("what")), "—")
        words["result"] = OBJECTION_ENDS.get(str(data.get("result")), "—")
    elif event.kind == Kind.MOVED and not event.to_stage:  # a repeat purchase: the lead stays
        sentence = _("moved the repeat purchase from %(from_stage)s to %(to_stage)s")
        words |= {"from_stage": _stage(str(data.get("before"))), "to_stage": _stage(str(data.get("after")))}
    elif event.kind in {Kind.WON, Kind.PAYMENT}:
        if data.get("step") == "voided":
            icon, state, sentence = "no-symbol", "soon", _("voided the payment of %(amount)s of %(paid_on)s")
        words["amount"], words["paid_on"] = _amount(data.get("amount")), _day(data.get("paid_on"))
    elif event.kind == Kind.CONSENT:
        words["step"] = CONSENT_STEPS.get(str(data.get("step")), "—")
        words["purpose"] = Purpose(data["purpose"]).label if data.get("purpose") in Purpose.values else "—"
    elif event.kind == Kind.PAUSED:
        words["until"] = _moment(data.get("until"))
    elif event.kind == Kind.ATTEMPT_PLANNED:
        words["when"] = _moment(data.get("when"))
    elif event.kind == Kind.NURTURE:
        icon, state, sentence = NURTURE.get(str(data.get("step")), (icon, state, sentence))
        words["why"] = NURTURE_WHY.get(str(data.get("why")), "—")
        details += [(gettext("Offer"), str(data["offer"]))] if data.get("offer") else []
    elif event.kind == Kind.REVIEWED:
        words["checklist"] = gettext(str(data.get("checklist") or "—"))
    elif event.kind == Kind.RECYCLING:
        icon, state, sentence = RECYCLING.get(str(data.get("step")), (icon, state, sentence))
        words["when"] = _day(str(data.get("when"))[:10])
    elif event.kind == Kind.UNDONE:
        words["what"] = Kind(data["what"]).label if data.get("what") in Kind.values else "—"
    elif event.kind == Kind.EDITED:
        details += _changes(data)
    elif event.kind == Kind.ANSWERED:
        details += _differences(data)
    elif event.kind == Kind.RETURNED:
        details += _refusal(data, texts)
    elif event.kind == Kind.RETURN_ANSWERED:
        icon, state, words["answer"] = RETURN_ANSWERS.get(str(data.get("answer")), (icon, state, "—"))
    elif event.kind == Kind.DISPUTE_DECIDED:
        state, decision = DECISIONS.get(str(data.get("decision")), (state, "—"))
        words["decision"] = str(decision) % words
    elif event.kind == Kind.HANDED_OVER and (why := routed.in_words(data.get("routing"))):
        details.append((gettext("Why them"), why))
    elif event.kind == Kind.DATA_FAULT:
        details += [(_stage(name), _day(str(at)[:10])) for name, at in data.items() if name in Stage.values]
    details += _moved_clocks(data)
    return Entry(event, _who(event), icon, state, str(sentence) % words, details, _url(event, undone))


def _url(event: LeadEvent, undone: set[str]) -> str:
    """The page of what happened, where it has one."""
    if _is_answered(event):
        return reverse("leads:submission_detail", args=[event.data["submission"]])
    is_conversation = event.kind == Kind.REVIEWED or str(event.data.get("activity")) in CONVERSATIONS
    if is_conversation and str(event.pk) not in undone and isinstance(event.data.get("activity_id"), int):
        return reverse("pipeline:activity_reviews", args=[event.data["activity_id"]])
    return ""


def _moved_clocks(data: dict[str, Any]) -> list[tuple[str, str]]:
    """(clock, “old → new”) of each clock that is due at another time by this event."""
    before, after = data.get("due_before"), data.get("due_after")
    if not isinstance(before, dict) or not isinstance(after, dict):
        return []
    return [
        (gettext("Due: %(clock)s") % {"clock": CLOCKS.get(clock, clock)}, f"{_moment(old)} → {_moment(after[clock])}")
        for clock, old in before.items()
        if clock in after and after[clock] != old
    ]


def _is_answered(event: LeadEvent) -> bool:
    return event.kind == Kind.ANSWERED and isinstance(event.data.get("submission"), int)


def _who(event: LeadEvent) -> str:
    if event.actor:
        return str(event.actor)
    if event.kind == Kind.ANSWERED and event.data.get("via") == Submission.Via.PUBLIC:
        return gettext("The visitor")
    return gettext("Import") if event.data.get("source") == "import" else "LeadFlow"


class _Words(dict):
    """An event written long ago, or by an import, may lack a word; its sentence is still told."""

    def __missing__(self, key: str) -> str:
        return "—"

    def __or__(self, other: dict) -> "_Words":
        return _Words({**self, **other})


def _stage(value: str) -> str:
    return str(Stage(value).label) if value in Stage.values else "—"


def _changes(data: dict[str, Any]) -> list[tuple[str, str]]:
    """(label, “old → new”) of each fact that an edit changed."""
    model = Contact if data.get("record") == "contact" else Lead
    labels = {name: str(label) for name, label in DEAL_FIELDS.items()}
    labels |= {field.name: str(field.verbose_name) for field in [*model._meta.fields, *model._meta.many_to_many]}
    answers = {"yes": gettext("yes"), "no": gettext("no")}
    changes = data.get("changes") or {}
    lines = [(name, "") for name in data.get("fields") or [] if name not in changes]
    lines += [
        (name, " → ".join(str(answers.get(value, value) or "—") for value in pair))
        for name, pair in changes.items()
        if isinstance(pair, list)
    ]
    lines = [(labels.get(name, name.replace("_", " ")), text) for name, text in lines]
    return [(label[:1].upper() + label[1:], text) for label, text in lines]


def _differences(data: dict[str, Any]) -> list[tuple[str, str]]:
    """(label, what was said and what is known) of each fact that was said and is known otherwise, or not at all."""
    return [
        (
            str(CONTACT_FIELDS.get(name) or CONTACT_FIELDS.get(f"company.{name}") or name),
            (gettext("said “%(said)s”, kept “%(known)s”") if pair[0] else gettext("said “%(said)s”, not filled in"))
            % {"said": pair[1], "known": pair[0]},
        )
        for name, pair in (data.get("differs") or {}).items()
        if isinstance(pair, list)
    ]


def _amount(value: object) -> str:
    try:
        return f"{Decimal(str(value)):,f}".replace(",", "\u202f")
    except InvalidOperation:
        return "—"


def _moment(value: object) -> str:
    """An ISO moment in the reader's time zone."""
    try:
        return date_format(timezone.localtime(datetime.datetime.fromisoformat(str(value))), "DATETIME_FORMAT")
    except ValueError:
        return "—"


def _day(value: object) -> str:
    try:
        return date_format(datetime.date.fromisoformat(str(value)), "SHORT_DATE_FORMAT")
    except ValueError:
        return "—"
