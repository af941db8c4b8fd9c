"""How the demo company agreed on its criteria: three versions, a product's own for next week, and a vote that waits."""

import datetime

from accounts.models import User
from leads import criteria
from leads.criteria import approval, drafts
from leads.criteria.approval import Decision, Party, Side
from leads.models import Approval, ApprovalRound, CriteriaSet, Lead, Product, Stage
from pipeline.models import Notification

DAY = datetime.timedelta(days=1)


def agree_on_criteria(users: dict[str, User], product: Product, at: datetime.datetime) -> list[CriteriaSet]:
    """Versions 2 and 3 with their rounds, and the first of a product; returns the general ones, the newest first."""
    by = users["Mia"]
    parties = _parties(users)

    second = _draft(None, by, at - 480 * DAY)
    rows = _rows(second)
    rows[3]["weight"] = 3
    _save(
        second,
        rows,
        3,
        "Sales asked: a demo without a budget leads nowhere, so the budget counts more.",
        by,
        at - 479 * DAY,
    )
    _approve(approval.start_round(second, parties, by=by, at=at - 478 * DAY), users, at - 476 * DAY)

    third = _draft(None, by, at - 160 * DAY)
    rows = _rows(third)
    rows[5] |= {"weight": 2, "rule": _rule("all", ("company.employees", "at_least", 85))}
    _save(third, rows, 3, "We know the number of employees of most companies: nobody needs to ask.", by, at - 159 * DAY)
    first_try = approval.start_round(third, parties, by=by, at=at - 158 * DAY)
    words = "85 is too much, half of our best clients are smaller. Please take 40."
    approval.decide(first_try, Decision.CHANGE, comment=words, by=users["Max"], at=at - 157 * DAY)
    rows[5]["rule"] = _rule("all", ("company.employees", "at_least", 40))
    _save(third, rows, 3, "We know the number of employees of most companies: nobody needs to ask.", by, at - 156 * DAY)
    _approve(approval.start_round(third, parties, by=by, at=at - 155 * DAY), users, at - 152 * DAY)

    own = _draft(product, by, at - 9 * DAY)
    rows = _rows(own)
    rows[5] |= {
        "text": "The company is big enough for this",
        "is_required": True,
        "weight": 0,
        "rule": _rule("any", ("company.employees", "at_least", 50), ("lead.channel", "any_of", ["Partner programme"])),
    }
    _save(
        own,
        rows,
        3,
        "Below fifty people the integration never paid off, except where a partner brought them.",
        by,
        at - 8 * DAY,
    )
    next_week = at.date() + (7 - at.weekday()) * DAY
    _approve(approval.start_round(own, parties, wanted_on=next_week, by=by, at=at - 7 * DAY), users, at - 5 * DAY)
    agreed = CriteriaSet.objects.filter(product__isnull=True, in_force_at__lte=at)
    return list(agreed.prefetch_related("criteria").order_by("-version"))


def vote_on_the_next(users: dict[str, User], at: datetime.datetime) -> None:
    """The next version: three have approved it, the general director still has to. And leads judged once more."""
    by = users["Mia"]
    fourth = _draft(None, by, at - 4 * DAY)
    rule = _rule("all", ("lead.agreed", "filled"))
    key = drafts.new_key("Agreed next step", {row["key"] for row in _rows(fourth)})
    agreed = {"key": key, "text": "Agreed on a next step with us", "is_required": False, "weight": 1, "rule": rule}
    note = "Leads with whom we agreed on something are accepted far more often."
    _save(fourth, [*_rows(fourth), agreed], 4, note, by, at - 3 * DAY)
    asked = approval.start_round(fourth, _parties(users), by=by, at=at - 3 * DAY)
    for name in ("Mia", "Max", "Dora"):
        approval.decide(asked, Decision.APPROVED, by=users[name], at=at - 2 * DAY)
    approval.remind(asked, by=by, at=at)
    waiting = asked.approvals.get(person=users["Vera"])
    Notification.objects.create(
        recipient=waiting.person,
        kind=Notification.Kind.APPROVAL,
        data={
            "actor": str(by),
            "about": str(fourth),
            "url": f"/settings/criteria/{fourth.pk}/",
            "note": note,
        },
        created_at=waiting.ask_at,
    )
    # All this is long told: the next sweep has nothing to mail.
    Approval.objects.update(told_at=at)
    ApprovalRound.objects.exclude(outcome="").update(told_at=at)
    for lead in Lead.objects.filter(stage=Stage.WARM, criteria_set__version=2).order_by("-pk")[:3]:
        criteria.rejudge(lead, by=users["Dan"], at=at)


def _parties(users: dict[str, User]) -> list[Party]:
    sides = {"Mia": Side.MARKETING, "Max": Side.SALES, "Dora": Side.DIRECTOR, "Vera": Side.GENERAL}
    return [(users[name], side) for name, side in sides.items()]


def _rule(match: str, *conditions: tuple) -> dict:
    named = (dict(zip(("field", "comparison", "value"), each, strict=False)) for each in conditions)
    return {"match": match, "conditions": list(named)}


def _draft(product: Product | None, by: User, at: datetime.datetime) -> CriteriaSet:
    return drafts.start_draft(product, by=by, at=at)


def _rows(draft: CriteriaSet) -> list[dict]:
    return [drafts.as_row(criterion) for criterion in draft.criteria.all()]


def _save(draft: CriteriaSet, rows: list[dict], threshold: int, note: str, by: User, at: datetime.datetime) -> None:
    revision = CriteriaSet.objects.values_list("revision", flat=True).get(pk=draft.pk)
    drafts.save_draft(draft, rows, threshold=threshold, note=note, revision=revision, by=by, at=at)


def _approve(asked: ApprovalRound, users: dict[str, User], at: datetime.datetime) -> None:
    for hours, name in enumerate(("Mia", "Max", "Vera", "Dora")):
        when = at + datetime.timedelta(hours=5 * hours)
        approval.decide(asked, Decision.APPROVED, by=users[name], at=when)
