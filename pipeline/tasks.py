"""Periodic work. The database says what is due; a task that comes late or twice changes nothing."""

from celery import shared_task
from django.utils import timezone

from integrations.models import JobRun
from pipeline.nurture import running
from pipeline.sweep import sweep


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
    """Each five minutes: do the nurture steps that are due, and note what came of earlier ones."""
    running.run(timezone.now())
