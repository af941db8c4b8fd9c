"""My day: what is due from the person who looks, the most urgent first."""

import datetime
import uuid

from django.contrib.auth.decorators import login_required
from django.db.models import Count, F, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_safe

from accounts import access
from accounts.models import Role, User
from leads.models import Approval, Lead, Stage, Submission
from leads.models.leads import LeadQuerySet
from pipeline.desk import Queue, agreed_with_sales
from pipeline.models import Agreement, Handoff, Opportunity, Task
from pipeline.models.handoffs import HandoffQuerySet
from pipeline.sla import Clock
from pipeline.views import desk
from pipeline.views.handoffs import as_rows, in_scope, log_menu, scope_of
from pipeline.views.returns import unanswered

SHOWN = 8  # rows of one section; the rest is behind its “All”
MOST_CALLS = 50


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    user, now = request.user, timezone.now()
    if access.may(user, access.SALES):
        sections = _for_sales(request, now)
    elif access.may(user, access.MARKETING):
        sections = _for_marketing(user, now)
    elif user.role == Role.ADMIN:
        sections = []
    else:
        sections = [_handoffs(user, now, Handoff.objects.visible_to(user), _("Overdue, all teams"), {"scope": "all"})]
    if access.may(user, access.DECIDE_DISPUTES):
        sections.insert(0, _disputes(user))
    if access.may(user, access.HAVE_TASKS):
        sections.insert(0, _tasks(user, now))
    if approvals := _approvals(user):
        sections = [approvals, *sections]
    context = {
        "now": now,
        "sections": [section for section in sections if section["rows"]],
        "teams": _overdue_by_team(user, now) if user.role in {Role.DIRECTOR, Role.VIEWER} else None,
        **log_menu(now),
        "here": request.get_full_path(),
        "today": timezone.localdate(now),
        "is_admin": user.role == Role.ADMIN,
    }
    return render(request, "pipeline/home.html", context)


def _section(kind: str, title: str, rows: QuerySet | list, url: str, **extra: object) -> dict:
    rows = list(rows[: SHOWN + 1])
    return {"kind": kind, "title": title, "rows": rows[:SHOWN], "has_more": len(rows) > SHOWN, "url": url, **extra}


def _address(name: str, **parameters: str | int) -> str:
    return f"{reverse(name)}?{urlencode(parameters)}"


def _handoffs(user: User, now: datetime.datetime, handoffs: HandoffQuerySet, title: str, link: dict) -> dict:
    """Handoffs with a clock that is overdue or due soon (for oneself: all that wait), the first due on top."""
    if link.get("scope") != "mine":
        handoffs = handoffs.filter(Q(first_contact_at=None, first_contact_due_at__lt=now) | Q(verdict_due_at__lt=now))
    waiting = handoffs.pending().with_next_due().for_list().order_by(F("next_due_at"), "pk")
    section = _section("handoffs", title, waiting, _address("pipeline:inbox", **link))
    section["rows"] = as_rows(section["rows"], user)
    return section


def _approvals(user: User) -> dict | None:
    """What this person is asked to approve, whatever their role."""
    asked = Approval.objects.asked_of(user).select_related("round__started_by", "round__criteria_set__product")
    section = _section("approvals", _("Approvals asked of you"), asked.order_by("ask_at"), reverse("leads:criteria"))
    return section if section["rows"] else None


def _returns(user: User) -> dict:
    """What sales refused and marketing has to answer, the oldest first."""
    scope = "all" if user.role == Role.SDR else "mine"
    waiting = unanswered(user, scope).for_list().order_by("decided_at", "pk")
    return _section("returns", _("Returned by sales"), waiting, _address("pipeline:return_list", scope=scope))


def _disputes(user: User) -> dict:
    """Disputes about refusals that wait for the director."""
    asked = Handoff.objects.visible_to(user).refused("disputed").for_list().select_related("answer__answered_by")
    asked = asked.order_by("answer__answered_at", "pk")
    return _section("disputes", _("Disputes to decide"), asked, _address("pipeline:handoff_list", refusal="disputed"))


def _for_sales(request: HttpRequest, now: datetime.datetime) -> list[dict]:
    """A rep's own leads; a manager's team, where only what burns concerns them."""
    user, scope, today = request.user, scope_of(request), timezone.localdate(now)
    opportunities = Opportunity.objects.visible_to(user).for_list()
    opportunities = opportunities.of_team(user) if scope == "team" else opportunities.filter(owner=user)
    title = _("Overdue in your team") if scope == "team" else _("Waiting for your contact or verdict")
    whose = {"team": user.team_id} if scope == "team" and user.team_id else {"owner": user.pk}
    return [
        _agreed_calls(user, now),
        _handoffs(user, now, in_scope(user, scope), title, {"scope": scope}),
        _section(
            "opportunities",
            _("Next steps due"),
            opportunities.step_due(today).order_by("next_step_on", "pk"),
            _address("pipeline:opportunity_list", step="due", sort="step", **whose),
        ),
        _section(
            "opportunities",
            _("Gone cold: nobody has been in touch"),
            opportunities.cold(now).order_by("lead__cold_at", "pk"),
            _address("pipeline:opportunity_list", cold=1, **whose),
        ),
        _section(
            "opportunities",
            _("Rotting: too long in one stage"),
            opportunities.rotting(now).order_by("stage_at", "pk"),
            _address("pipeline:opportunity_list", rotting=1, sort="stage", **whose),
        ),
        _section(
            "opportunities",
            _("No next step"),
            opportunities.without_next_step().order_by("stage_at", "pk"),
            _address("pipeline:opportunity_list", step="none", **whose),
        ),
    ]


def _agreed_calls(user: User, now: datetime.datetime) -> dict:
    """Whom the person has agreed to call until the end of today, the earliest first."""
    leads = agreed_with_sales(Lead.objects.visible_to(user).for_list(), user, _midnight(now))
    rows = [{"lead": lead, "submission_key": uuid.uuid4()} for lead in leads[:MOST_CALLS]]
    return {"kind": "agreed", "title": _("Agreed calls"), "rows": rows, "has_more": False}


def _for_marketing(user: User, now: datetime.datetime) -> list[dict]:
    """What is in marketing's hands: one's own leads and those without an owner; for an SDR, everybody's."""
    leads = Lead.objects.visible_to(user).for_list()
    if user.role != Role.SDR:
        leads = leads.filter(Q(owner=user) | Q(owner=None))
    quiet = now - datetime.timedelta(days=Agreement.objects.in_force(now).cold_days)
    silent = Q(last_contact_at__lt=quiet) | Q(last_contact_at=None)

    def of(stage: Stage, title: str, rows: QuerySet, action: str) -> dict:
        return _section("leads", title, rows, _address("leads:lead_list", stage=stage), action=action)

    return [
        *_calls(leads, now),
        _returns(user),
        of(
            Stage.QUALIFIED,
            _("Qualified, not handed over yet"),
            leads.filter(stage=Stage.QUALIFIED).order_by("pk"),
            _("Hand over"),
        ),
        _section(
            "leads",
            _("Warm, and meets the criteria: qualify?"),
            leads.filter(stage=Stage.WARM, proposed_at__isnull=False).order_by("proposed_at", "pk"),
            _address("leads:lead_list", proposed=1),
            action=pgettext("action", "Qualify"),
        ),
        of(
            Stage.WARM,
            _("Warm, long without contact"),
            leads.filter(silent, stage=Stage.WARM).order_by("pk"),
            pgettext("action", "Contact"),
        ),
        _section(
            "submissions",
            _("Visitors' answers that look like spam"),
            Submission.objects.visible_to(user).suspected().select_related("version__questionnaire").order_by("-pk"),
            reverse("leads:submission_list"),
        ),
    ]


def _calls(leads: LeadQuerySet, now: datetime.datetime) -> list[dict]:
    """Who is to be called now: what was agreed on, then the new ones."""
    sections = [
        _section(
            "calls",
            str(queue.label),
            queue.of(leads, now).order_by(*queue.order),
            _address("pipeline:desk", queue=queue),
        )
        for queue in (Queue.DUE, Queue.NEW)
    ]
    rows = desk.as_rows([lead for section in sections for lead in section["rows"]], now)
    for section in sections:
        section["rows"] = [rows[lead.pk] for lead in section["rows"]]
    return sections


def _midnight(now: datetime.datetime) -> datetime.datetime:
    """The end of the reader's today."""
    return datetime.datetime.combine(
        timezone.localdate(now) + datetime.timedelta(days=1), datetime.time(), timezone.get_current_timezone()
    )


def _tasks(user: User, now: datetime.datetime) -> dict:
    """What the person has to do until the end of today, the earliest first."""
    tasks = Task.objects.visible_to(user).due(_midnight(now)).filter(assignee=user).for_list()
    section = _section("tasks", _("Your tasks"), tasks.order_by("due_at", "pk"), reverse("pipeline:task_list"))
    return section | {"has_more": True}  # those of the days to come


def _overdue_by_team(user: User, now: datetime.datetime) -> list[dict]:
    """For each team with pending handoffs: how many wait, and how many are overdue by each clock."""
    counts = (
        Handoff.objects.visible_to(user)
        .pending()
        .values("assigned_to__team", "assigned_to__team__name")
        .annotate(
            pending=Count("pk"),
            first_contact=Count("pk", filter=Q(first_contact_at=None, first_contact_due_at__lt=now)),
            verdict=Count("pk", filter=Q(verdict_due_at__lt=now)),
        )
        .order_by("-verdict", "-first_contact", "assigned_to__team__name")
    )
    return [
        {
            "name": row["assigned_to__team__name"] or _("Without a team"),
            "pending": row["pending"],
            "pending_url": _address(
                "pipeline:handoff_list", team=row["assigned_to__team"] or "none", verdict="pending"
            ),
            "clocks": [
                {
                    "label": clock.label,
                    "count": row[clock.value],
                    "url": _address(
                        "pipeline:handoff_list", team=row["assigned_to__team"] or "none", clock=clock, state="overdue"
                    ),
                }
                for clock in Clock
            ],
        }
        for row in counts
    ]
