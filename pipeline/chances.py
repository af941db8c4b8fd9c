"""How often opportunities that came to a stage are won: what the last two years say, reckoned once a night."""

import calendar
import dataclasses
import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Count, Q
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.http import urlencode

from accounts.models import Organisation
from leads.models import Stage
from leads.models.leads import SELLING
from pipeline.models import Opportunity, SalesPipeline, StageChance

FEWEST = 20  # closed ones: from fewer nothing can be told
YEARS = 2

Period = tuple[datetime.date, datetime.date]


@dataclasses.dataclass(frozen=True)
class Chance:
    """Of `closed` opportunities that came to the stage, `won` were won. `pipeline` None: of all pipelines together."""

    stage: Stage
    won: int
    closed: int
    pipeline: SalesPipeline | None
    period: Period

    @property
    def share(self) -> Decimal:
        return Decimal(self.won) / self.closed

    @property
    def closed_url(self) -> str:
        """The list of the very opportunities that were counted."""
        first, last = self.period
        query = {"reached": self.stage.value, "closed_from": first.isoformat(), "closed_to": last.isoformat()}
        if self.pipeline is not None:
            query["pipeline"] = str(self.pipeline.pk)
        return f"{reverse('pipeline:opportunity_list')}?{urlencode(query)}"

    @property
    def won_url(self) -> str:
        return f"{self.closed_url}&{urlencode({'stage': Stage.WON.value})}"


class Chances:
    """The chances as they were reckoned last, read at once for a whole page."""

    def __init__(self) -> None:
        self._rows = {(row.pipeline_id, row.stage): row for row in StageChance.objects.all()}

    @cached_property
    def _counted(self) -> Period:
        """The days that they were counted in: all rows are reckoned at once."""
        return _period(max(row.reckoned_at for row in self._rows.values()))

    def of(self, pipeline: SalesPipeline, stage: Stage) -> Chance | None:
        """The chance in that stage of that pipeline; of all pipelines where it has too few; None: no data."""
        own = self._rows.get((pipeline.pk, stage.value))
        if own is not None and own.closed >= FEWEST:
            return Chance(stage, own.won, own.closed, pipeline, self._counted)
        rows = [row for (_pipeline, name), row in self._rows.items() if name == stage.value]
        closed = sum(row.closed for row in rows)
        if closed < FEWEST:
            return None
        return Chance(stage, sum(row.won for row in rows), closed, None, self._counted)


def _period(at: datetime.datetime) -> Period:
    """The two years that end with the day before `at`: whole days of the organisation, so that a list can show them."""
    today = at.astimezone(Organisation.current().tzinfo).date()
    year = today.year - YEARS
    first = today.replace(year=year, day=min(today.day, calendar.monthrange(year, today.month)[1]))
    return first, today - datetime.timedelta(days=1)


@transaction.atomic
def reckon(at: datetime.datetime) -> None:
    """Count anew, for each pipeline and stage, in one statement. Doing it again the same day changes nothing."""
    ways = SalesPipeline.objects.ways()
    if ways.default.pk is None:
        return
    (first, last), zone = _period(at), Organisation.current().tzinfo
    since = datetime.datetime.combine(first, datetime.time(), zone)
    until = datetime.datetime.combine(last + datetime.timedelta(days=1), datetime.time(), zone)
    closed = Opportunity.objects.filter(
        Q(won_at__gte=since, won_at__lt=until) | Q(lost_at__gte=since, lost_at__lt=until)
    )
    counts = {}
    for stage in SELLING:
        came = Q() if stage == Stage.ACCEPTED else Q(**{f"{stage.reached_field}__isnull": False})
        counts[f"{stage.value}_closed"] = Count("pk", filter=came)
        counts[f"{stage.value}_won"] = Count("pk", filter=came & Q(stage=Stage.WON))
    found: dict[int, dict[str, int]] = {pipeline.pk: dict.fromkeys(counts, 0) for pipeline in ways.pipelines}
    rows: Any = closed.order_by().values("product").annotate(**counts)
    for row in rows:
        sums = found[ways.of(row["product"]).pk]
        for name in counts:
            sums[name] += row[name]
    StageChance.objects.bulk_create(
        [
            StageChance(
                pipeline_id=pk,
                stage=stage.value,
                closed=sums[f"{stage.value}_closed"],
                won=sums[f"{stage.value}_won"],
                reckoned_at=at,
            )
            for pk, sums in found.items()
            for stage in SELLING
        ],
        update_conflicts=True,
        unique_fields=["pipeline", "stage"],
        update_fields=["closed", "won", "reckoned_at"],
    )


def reckon_nightly(at: datetime.datetime) -> None:
    """Reckon, unless that was done since the day of `at` began."""
    zone = Organisation.current().tzinfo
    midnight = datetime.datetime.combine(at.astimezone(zone).date(), datetime.time(), zone)
    if not StageChance.objects.filter(reckoned_at__gte=midnight).exists():
        reckon(at)
