"""Two runs at once: one after the other, and the same facts as one alone."""

import threading

import pytest
from django.db import connection, connections
from django.utils import timezone

from kpi import facts
from kpi.models import Fact
from tests import factories


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_count_nothing_twice(mia, sam):  # K2
    if connection.vendor == "sqlite":
        pytest.skip("threads of an in-memory database share one connection")
    for _n in range(5):
        factories.a_won_opportunity(sam, by=mia)
    failures = []

    def run(work) -> None:
        try:
            work()
        except Exception as error:
            failures.append(error)
        finally:
            connections.close_all()

    works = [facts.recompute, facts.recompute, lambda: facts.rebuild_all(timezone.now())]
    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    at_once = sorted(Fact.objects.values_list("day", "measure", "campaign", "person", "count", "value"))
    facts.rebuild_all(timezone.now())
    assert at_once == sorted(Fact.objects.values_list("day", "measure", "campaign", "person", "count", "value"))
    assert sum(fact.count for fact in Fact.objects.filter(measure="deals")) == 5
