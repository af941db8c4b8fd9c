"""Periodic work. The database says what is due; a task that comes late or twice changes nothing."""

import datetime

from celery import shared_task
from django.db.models import Q
from django.utils import timezone

from accounts import limits
from accounts.models import Organisation
from integrations.models import JobRun
from leads.models import ExchangeRate
from pipeline import chances, digest, quality, recycling, retention, transitions
from pipeline.nurture import running
from pipeline.replay import replay
from pipeline.sweep import sweep
from pipeline.transitions import editing


@shared_task
def sweep_clocks() -> None:
    """Each minute: flag, remind and escalate what has come due. One row keeps when that last was done, for /health."""
    started_at = timezone.now()
    sweep(started_at)
    JobRun.objects.update_or_create(
        job="sweep_clocks",
        period="latest",
        defaults={"started_at": started_at, "finished_at": timezone.now()},
    )


@shared_task
def run_nurture() -> None:
    """Each five minutes: do the nurture steps that are due, and note what came of earlier ones and of sales' mails."""
    now = timezone.now()
    running.run(now)
    transitions.note_failures(now)


@shared_task
def ask_again() -> None:
    """Each hour: note who is to be asked again and when, and give the tasks whose day has come."""
    recycling.run(timezone.now())


@shared_task
def reckon_chances() -> None:
    """Each hour, for nights that were missed: once a day, count how often opportunities of each stage are won."""
    chances.reckon_nightly(timezone.now())


@shared_task
def send_digests() -> None:
    """Each ten minutes: the daily digests of those for whom it is eight in the morning, or was while nothing ran."""
    digest.send_digests(timezone.now())


@shared_task
def follow_rates() -> None:
    """Each hour: bring open opportunities in other currencies to the rate of the day. Where it is followed, nothing happens."""
    at = timezone.now()
    today = at.astimezone(Organisation.current().tzinfo).date()
    for currency in ExchangeRate.objects.currencies():
        if rate := ExchangeRate.objects.in_force(currency, today):
            editing.follow_rates(currency, rate.rate, at)


@shared_task
def pick_for_review() -> None:
    """Each hour, for weeks that were missed: pick last week's conversations for review. Once picked, nothing more comes."""
    quality.propose(timezone.now())


NIGHT_BEGINS = 1  # o'clock, in the organisation's time zone
TAKEN_OVER_AFTER = datetime.timedelta(minutes=50)  # a run that was killed; above the time that a task may take


@shared_task
def apply_retention() -> None:
    """Each hour forget who came too often; once a night, erase what the retention rules say. A run that was killed, or had too much, goes on."""
    at = timezone.now()
    limits.forget(at)
    local = at.astimezone(Organisation.current().tzinfo)
    if local.hour < NIGHT_BEGINS:
        return
    run, is_new = JobRun.objects.get_or_create(
        job="retention", period=local.date().isoformat(), defaults={"started_at": at}
    )
    if not is_new:
        mine = Q(finished_at__isnull=True, started_at__lte=at - TAKEN_OVER_AFTER)
        if not JobRun.objects.filter(mine, pk=run.pk).update(started_at=at):
            return
    replay()
    if retention.apply(at):
        JobRun.objects.filter(pk=run.pk).update(finished_at=timezone.now())
