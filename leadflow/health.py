"""What a load balancer, a supervisor or a person on call asks: alive, ready, and how far behind."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from integrations.models import JobRun, OutboxMessage
from leadflow import broker


class HealthMiddleware:
    """Answers before anything else runs: no session, no log line per question, any host name, plain HTTP too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        match request.path_info:
            case "/health/live":
                return live(request)
            case "/health/ready":
                return ready(request)
        return self.get_response(request)


@require_safe
@never_cache
def live(request: HttpRequest) -> HttpResponse:
    """The process answers. Touches nothing, so that a slow database never gets a healthy process restarted."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
@never_cache
def ready(request: HttpRequest) -> HttpResponse:
    """Database and migrations decide (503 when either is missing); a missing broker only slows things: degraded."""
    report = readiness(at=timezone.now())
    return JsonResponse(report, status=503 if report["status"] == "down" else 200)


def readiness(*, at: datetime) -> dict[str, Any]:
    """`status` is "ok", "degraded" or "down"; the gauges are seconds before `at`, None for "none yet"."""
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Error:
        return {"status": "down", "database": "unreachable"}
    if pending:
        return {"status": "down", "database": "ok", "migrations": f"{len(pending)} pending"}
    waiting = OutboxMessage.objects.filter(sent_at__isnull=True, failed_at__isnull=True)
    has_broker = broker.is_there(settings.REDIS_URL)
    return {
        "status": "ok" if has_broker else "degraded",
        "database": "ok",
        "migrations": "ok",
        "broker": "ok" if has_broker else "unreachable",
        "oldest_outbox_seconds": age(waiting.values_list("created_at", flat=True).order_by("created_at").first(), at),
        "last_sweep_seconds": age(last_finished_at("sweep_clocks"), at),
        "last_nightly_seconds": age(last_finished_at("recompute_facts"), at),
    }


def last_finished_at(job: str) -> datetime | None:
    runs = JobRun.objects.filter(job=job, finished_at__isnull=False).order_by("-started_at")
    return runs.values_list("finished_at", flat=True).first()


def age(moment: datetime | None, at: datetime) -> int | None:
    return None if moment is None else int((at - moment).total_seconds())
