"""Plans and their steps, and what came of each.

What was done for somebody stays as it was done: a step that has results isn't changed, it is taken out of the plan, with
its results, and the changed one takes its place.
"""

import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from accounts import access
from accounts.models import User
from pipeline.models import Enrolment, NurturePlan, NurtureStep, StepRun
from pipeline.nurture.enrol import steps_of
from pipeline.transitions.rules import TransitionError, require

Result = StepRun.Result
FIELDS = ("kind", "wait_days", "template", "campaign", "task_title", "offer", "offer_days")

# What can come of a step, by the name that a link to the leads has.
RESULTS: dict[str, Q] = {
    "sent": Q(result=Result.SENT),
    "bounced": Q(bounced_at__isnull=False),
    "replied": Q(replied_at__isnull=False),
    "opted_out": Q(opted_out_at__isnull=False),
    "came": Q(registered_at__isnull=False),
    "tasks": Q(result=Result.TASK_OPENED),
    "tasks_done": Q(task__done_at__isnull=False),
    "skipped": Q(result__in=[Result.NO_CONSENT, Result.NO_EVENT]),
    "qualified": Q(result__in=[Result.SENT, Result.TASK_OPENED], enrolment__lead__nurtured_at__gte=F("done_at")),
}


def results(plan: NurturePlan) -> dict[int, dict[str, int]]:
    """By step: how often each of `RESULTS` happened. Two queries."""
    runs: Any = StepRun.objects.filter(step__plan=plan).order_by().values("step")
    happened = {f"n_{name}": Count("pk", filter=only) for name, only in RESULTS.items() if name != "qualified"}
    # Few leads are qualified, so they are looked up by themselves rather than the lead of each run.
    qualified = runs.filter(RESULTS["qualified"], enrolment__lead__nurtured_at__isnull=False)
    found = dict(qualified.values_list("step").annotate(Count("pk")))
    return {
        row["step"]: {name: row.get(f"n_{name}", found.get(row["step"], 0)) for name in RESULTS}
        for row in runs.annotate(**happened)
    }


def with_counts(plans: "QuerySet[NurturePlan]") -> "QuerySet[NurturePlan]":
    """Adds how many are in each plan, left it, replied, and became MQL by it."""
    enrolments = Enrolment.objects.filter(plan=OuterRef("pk")).order_by()
    qualified = enrolments.filter(lead__nurtured_at__isnull=False, lead__nurtured_at__gte=F("entered_at"))
    return plans.annotate(
        running=_number(enrolments.running(), Count("pk")),
        left=_number(enrolments.filter(ended_at__isnull=False), Count("pk")),
        replied=_number(enrolments.filter(end=Enrolment.End.REPLIED), Count("pk")),
        qualified=_number(qualified, Count("lead", distinct=True)),
    )


def _number(enrolments: "QuerySet[Enrolment]", count: Count) -> Coalesce:
    """Each by itself: joined together, the lead of every enrolment would be read."""
    return Coalesce(Subquery(enrolments.values("plan").annotate(number=count).values("number")), 0)


def _lock(plan: NurturePlan, by: User | None) -> NurturePlan:
    require(by, access.PLAN_NURTURE, _("Only a marketer or the director changes nurture plans."))
    return NurturePlan.objects.select_for_update().get(pk=plan.pk)


@transaction.atomic
def start(plan: NurturePlan, *, by: User | None) -> None:
    """Let the plan run. Raises NotAllowed, and TransitionError for a plan without steps."""
    plan = _lock(plan, by)
    if not steps_of(plan).exists():
        raise TransitionError(_("A plan needs a step before it can run."))
    NurturePlan.objects.filter(pk=plan.pk).update(is_active=True)


@transaction.atomic
def stop(plan: NurturePlan, *, by: User | None) -> None:
    """Hold the plan: who is in it stays, nobody enters, no step is done until it runs again. Raises NotAllowed."""
    NurturePlan.objects.filter(pk=_lock(plan, by).pk).update(is_active=False)


@transaction.atomic
def add_step(plan: NurturePlan, words: dict[str, Any], *, by: User | None) -> NurtureStep:
    """Put a step at the end of the plan. `words` are values of FIELDS. Raises NotAllowed."""
    plan = _lock(plan, by)
    last = steps_of(plan).last()
    return NurtureStep.objects.create(plan=plan, position=last.position + 1 if last else 0, **_known(words))


@transaction.atomic
def change_step(
    step: NurtureStep, words: dict[str, Any], *, by: User | None, at: datetime.datetime
) -> tuple[NurtureStep, bool]:
    """Change a step, or, where it has results, put the changed one in its place.

    Returns the step as it is now, and whether it is a new one. Raises NotAllowed, and TransitionError when it was taken
    out meanwhile.
    """
    plan = _lock(step.plan, by)
    step = _there(step)
    words = _known(words)
    if all(getattr(step, name) == value for name, value in words.items()):
        return step, False
    if not step.runs.exists():
        for name, value in words.items():
            setattr(step, name, value)
        step.save()
        return step, False
    kept = {name: getattr(step, name) for name in FIELDS}
    made = NurtureStep.objects.create(plan=plan, position=step.position, **{**kept, **words})
    _retire(step, made, at)
    return made, True


@transaction.atomic
def move_step(step: NurtureStep, by_places: int, *, by: User | None) -> None:
    """Put the step so many places further down (up when negative). Raises NotAllowed and TransitionError."""
    plan = _lock(step.plan, by)
    step = _there(step)
    steps = list(steps_of(plan))
    place = steps.index(step)
    steps.insert(max(0, place + by_places), steps.pop(place))
    for position, each in enumerate(steps):
        each.position = position
    NurtureStep.objects.bulk_update(steps, ["position"])


@transaction.atomic
def retire_step(step: NurtureStep, *, by: User | None, at: datetime.datetime) -> None:
    """Take a step out of the plan; its results stay. Who waited for it goes on with the next one, at the same moment."""
    plan = _lock(step.plan, by)
    step = _there(step)
    behind = [each for each in steps_of(plan) if (each.position, each.pk) > (step.position, step.pk)]
    _retire(step, behind[0] if behind else None, at)


@transaction.atomic
def restore_step(step: NurtureStep, *, by: User | None) -> None:
    """Undo `retire_step`: who enters or comes to it from now on gets it again. Raises NotAllowed."""
    _lock(step.plan, by)
    NurtureStep.objects.filter(pk=step.pk).update(retired_at=None)


def _there(step: NurtureStep) -> NurtureStep:
    step = NurtureStep.objects.select_for_update(of=("self",)).select_related("plan").get(pk=step.pk)
    if step.retired_at is not None:
        raise TransitionError(_("This step was taken out of the plan meanwhile."))
    return step


def _retire(step: NurtureStep, instead: NurtureStep | None, at: datetime.datetime) -> None:
    NurtureStep.objects.filter(pk=step.pk).update(retired_at=at)
    if instead is not None:  # else they are found at the end when their moment comes
        Enrolment.objects.running().filter(next_step=step).update(next_step=instead)


def _known(words: dict[str, Any]) -> dict[str, Any]:
    return {name: words[name] for name in FIELDS if name in words}
