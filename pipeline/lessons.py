"""What verdicts add up to for both sides: the share that sales accepts, why it refuses, and what that says of the criteria."""

import dataclasses
import datetime
from collections.abc import Iterable

from django.db.models import Count, Q
from django.urls import reverse
from django.utils.http import urlencode

from accounts.models import Organisation
from leads.criteria.rules import CRITERION, labels
from leads.models import Criterion, Reason
from pipeline.models import Agreement, Handoff, ReturnAnswer, ReturnFeedback

Kind = ReturnFeedback.Kind
RECENT_DAYS, YEAR_DAYS = 90, 365
MOST_DOUBTS = 20  # shown at once, newest first


def _since(days: int, at: datetime.datetime) -> tuple[datetime.date, datetime.datetime]:
    """The first of the last `days` days of the organisation, today included, and when it began."""
    zone = Organisation.current().tzinfo
    first = at.astimezone(zone).date() - datetime.timedelta(days=days - 1)
    return first, datetime.datetime.combine(first, datetime.time(), zone)


def _address(**filters: str | int | datetime.date) -> str:
    return f"{reverse('pipeline:handoff_list')}?{urlencode({name: str(value) for name, value in filters.items()})}"


@dataclasses.dataclass(frozen=True)
class AcceptedShare:
    """Of what was handed over in the last 90 days, how much sales accepted so far, beside what both sides agreed on."""

    accepted: int
    handed_over: int
    pending: int
    target: int  # percent
    first_day: datetime.date

    @property
    def share(self) -> float | None:
        """A part of one; None where nothing was handed over."""
        return self.accepted / self.handed_over if self.handed_over else None

    @property
    def is_reached(self) -> bool:
        return self.accepted * 100 >= self.target * self.handed_over

    @property
    def accepted_url(self) -> str:
        return _address(verdict="accepted", handed_over_from=self.first_day)

    @property
    def handed_over_url(self) -> str:
        return _address(handed_over_from=self.first_day)

    @property
    def pending_url(self) -> str:
        return _address(verdict="pending", handed_over_from=self.first_day)


def accepted_share(at: datetime.datetime) -> AcceptedShare:
    """The share of handoffs that sales accepted, as it stands at `at`: two queries, bounded by an index."""
    first, start = _since(RECENT_DAYS, at)
    counts = Handoff.objects.filter(handed_over_at__gte=start).aggregate(
        handed_over=Count("pk"),
        accepted=Count("pk", filter=Q(verdict=Handoff.Verdict.ACCEPTED)),
        pending=Count("pk", filter=Q(verdict=Handoff.Verdict.PENDING)),
    )
    return AcceptedShare(**counts, target=Agreement.objects.in_force(at).accepted_share, first_day=first)


@dataclasses.dataclass(frozen=True)
class RefusedFor:
    """How many were refused for one reason in the last 90 days; those that the director overturned are apart."""

    reason: Reason
    standing: int
    overturned: int
    first_day: datetime.date

    def _url(self, refusal: str) -> str:
        return _address(reason=self.reason.pk, refusal=refusal, decided_from=self.first_day)

    @property
    def standing_url(self) -> str:
        return self._url("stands")

    @property
    def overturned_url(self) -> str:
        return self._url("overturned")


def refusals_by_reason(at: datetime.datetime) -> list[RefusedFor]:
    """Refusals of the last 90 days by reason, most first."""
    first, start = _since(RECENT_DAYS, at)
    overturned = Q(answer__decision=ReturnAnswer.Decision.OVERTURNED)
    refused = Handoff.objects.filter(verdict=Handoff.Verdict.REJECTED, decided_at__gte=start)
    counts = refused.values("reason").annotate(all=Count("pk"), gone=Count("pk", filter=overturned))
    reasons = Reason.objects.in_bulk([row["reason"] for row in counts])
    rows = [RefusedFor(reasons[row["reason"]], row["all"] - row["gone"], row["gone"], first) for row in counts]
    return sorted(rows, key=lambda row: (-row.standing, -row.overturned, row.reason.position, row.reason.pk))


@dataclasses.dataclass(frozen=True)
class OfCriterion:
    """How often sales pointed at one criterion: (label, in 90 days, in 365 days, and the addresses of both) of each kind."""

    label: str
    counts: list[tuple[str, int, int, str, str]]


def of_criteria(criteria: Iterable[Criterion], at: datetime.datetime) -> list[OfCriterion]:
    """Of each criterion how often sales said that it fails, was misread or not asked: those of `criteria` first."""
    recent_day, recent = _since(RECENT_DAYS, at)
    year_day, year = _since(YEAR_DAYS, at)
    found: dict[str, dict[str, tuple[int, int]]] = {}
    pointed = ReturnFeedback.objects.filter(field__startswith=CRITERION, handoff__decided_at__gte=year)
    in_year, lately = Count("pk"), Count("pk", filter=Q(handoff__decided_at__gte=recent))
    for row in pointed.values("field", "kind").annotate(in_year=in_year, lately=lately):
        found.setdefault(row["field"], {})[row["kind"]] = (row["lately"], row["in_year"])
    decided = Handoff.objects.filter(decided_at__gte=year, failed_criterion__isnull=False)
    failing = decided.values("failed_criterion__key").annotate(
        in_year=in_year, lately=Count("pk", filter=Q(decided_at__gte=recent))
    )
    for key, many, few in failing.values_list("failed_criterion__key", "in_year", "lately"):
        found.setdefault(CRITERION + str(key), {})["fails"] = (few, many)
    shown = {CRITERION + criterion.key: str(criterion) for criterion in criteria}
    shown |= {name: label for name, label in sorted(labels(set(found) - set(shown)).items()) if name not in shown}
    kinds = ["fails", *(kind.value for kind in (Kind.MISREAD, Kind.NOT_ASKED, Kind.MISSING))]

    def count(name: str, kind: str) -> tuple[str, int, int, str, str]:
        few, many = found.get(name, {}).get(kind, (0, 0))
        about = {"criterion": name.removeprefix(CRITERION), "feedback": kind}
        return kind, few, many, _address(**about, decided_from=recent_day), _address(**about, decided_from=year_day)

    return [OfCriterion(label, [count(name, kind) for kind in kinds]) for name, label in shown.items()]


def doubts(at: datetime.datetime) -> tuple[list[Handoff], str]:
    """The latest refusals of the year that say the criteria are wrong, and the address of them all."""
    first, start = _since(YEAR_DAYS, at)
    rows = Handoff.objects.filter(decided_at__gte=start).exclude(criteria_doubt="")
    rows = rows.select_related("lead__contact", "lead__criteria_set__product", "decided_by", "reason")
    return list(rows.order_by("-decided_at", "-pk")[:MOST_DOUBTS]), _address(feedback="doubt", decided_from=first)
