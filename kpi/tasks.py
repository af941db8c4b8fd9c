from celery import shared_task
from django.db import transaction
from django.utils import timezone

from accounts.models import Organisation
from integrations.models import JobRun
from kpi import facts


@shared_task
def recompute_facts(*, asked: bool = False) -> None:
    """Bring the facts up to now, once an hour, or when somebody `asked` for it.

    The hour's unique row makes a second scheduler harmless; a run that died left its row unfinished and is made again.
    Missed hours need no catching up: each run rebuilds what was touched since the last that finished.
    """
    at = timezone.now()
    if asked:
        facts.recompute(at)
        return
    hour = at.astimezone(Organisation.current().tzinfo).strftime("%Y-%m-%d %H:00%z")
    with transaction.atomic():
        run, _new = JobRun.objects.get_or_create(job="recompute_facts", period=hour, defaults={"started_at": at})
        run = JobRun.objects.select_for_update().get(pk=run.pk)
        if run.finished_at is not None:
            return
        facts.recompute(at)
        run.finished_at = timezone.now()
        run.save(update_fields=["finished_at"])
