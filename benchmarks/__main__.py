"""Measure every operation of LeadFlow on the database that DATABASE_URL names. What it writes, it rolls back.

python3 run.py exec python -m benchmarks [--repeat 20] [--only PART] [--json FILE]
"""

import argparse
import contextlib
import csv
import datetime
import json
import logging
import os
import pathlib
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadflow.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.db.models import Count  # noqa: E402
from django.test import Client, override_settings  # noqa: E402
from django.urls import reverse  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.access import SCOPES  # noqa: E402
from accounts.keyset import keyset_page  # noqa: E402
from accounts.models import ApiToken, Role, User  # noqa: E402
from benchmarks import floor  # noqa: E402
from kpi import facts  # noqa: E402
from leads.importing.mapping import load_mapping  # noqa: E402
from leads.importing.reading import find_source  # noqa: E402
from leads.importing.running import run as run_import  # noqa: E402
from leads.models import Campaign, Contact, CriteriaSet, Lead, Questionnaire, Stage  # noqa: E402
from leads.models.leads import SELLING  # noqa: E402
from leads.registration import Person, register_lead  # noqa: E402
from leads.views.export import COLUMNS  # noqa: E402
from pipeline import transitions  # noqa: E402
from pipeline.history import Leads  # noqa: E402
from pipeline.models import Handoff, NurturePlan, Opportunity  # noqa: E402
from pipeline.sweep import sweep  # noqa: E402

BOARD = 2_000  # open opportunities, at least, that the board is measured with
WANTED_MS = 100  # no page needs more of the database than this
MEDIUM, HEAVY = 3, 1  # how often slow operations are repeated


@dataclass
class Operation:
    """`run` does it once. Its p50 is divided by that of the floor of that name, measured just before."""

    name: str
    run: Callable[[], Any]
    floor: str
    repeat: int | None = None


@dataclass
class Result:
    name: str
    p50_ms: float
    p95_ms: float
    cpu_ms: float  # of this process alone: what other processes on the machine disturb least
    queries: int
    database_ms: float
    slowest_ms: float
    slowest_sql: str
    floor: str
    ratio: float | None


class Statements:
    """Notes each statement and how long the database had it."""

    def __init__(self) -> None:
        self.made: list[tuple[float, str]] = []

    def __call__(self, execute: Callable, sql: str, params: Any, many: bool, context: dict) -> Any:
        start = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.made.append((time.perf_counter() - start, sql))


def measure(operation: Operation, repeat: int, floors: dict[str, float]) -> Result:
    times, made, cpu = [], [], []
    count = min(repeat, operation.repeat or repeat)
    for turn in range(count + (count > HEAVY)):
        statements = Statements()
        start, cpu_start = time.perf_counter(), time.process_time()
        with connection.execute_wrapper(statements):
            operation.run()
        if turn or count == HEAVY:  # what is done often is done once to warm up
            times.append(time.perf_counter() - start)
            cpu.append(time.process_time() - cpu_start)
            made.append(statements.made)
    typical = sorted(made, key=lambda each: sum(seconds for seconds, _sql in each))[len(made) // 2]
    slowest = max(typical, default=(0.0, ""))
    p50 = statistics.median(times) * 1000
    below = floors.get(operation.floor)
    return Result(
        operation.name,
        round(p50, 1),
        round(sorted(times)[min(len(times) - 1, int(len(times) * 0.95))] * 1000, 1),
        round(statistics.median(cpu) * 1000, 1),
        len(typical),
        round(sum(seconds for seconds, _sql in typical) * 1000, 1),
        round(slowest[0] * 1000, 1),
        " ".join(slowest[1].split()),
        operation.floor,
        round(p50 / below, 2) if below else None,
    )


# --- How things are done once


@contextlib.contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def signed_in(user: User, *, htmx: bool = False) -> Client:
    client = Client(headers={"HX-Request": "true"} if htmx else None)
    client.force_login(user)
    return client


def page(client: Client, address: str, headers: dict | None = None) -> Callable[[], None]:
    def get() -> None:
        response = client.get(address, headers=headers)
        if response.streaming:
            for _each in response.streaming_content:  # type: ignore[attr-defined]
                pass
        if response.status_code != 200:
            raise RuntimeError(f"{address}: {response.status_code}")

    return get


def raw(sql: str, *params: Any) -> Callable[[], None]:
    def query() -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            cursor.fetchall()

    return query


def bare(user: User, address: str) -> Callable[[], None]:
    """The floor of pages, without LeadFlow's own middleware."""
    with override_settings(ROOT_URLCONF="benchmarks.floor", MIDDLEWARE=floor.MIDDLEWARE):
        client = signed_in(user)
        client.handler.load_middleware()

    def get() -> None:
        with override_settings(ROOT_URLCONF="benchmarks.floor"):
            if client.get(address).status_code != 200:
                raise RuntimeError(address)

    return get


def in_undone(work: Callable[[], Any]) -> Callable[[], None]:
    def do() -> None:
        with undone():
            work()

    return do


# --- What is measured


def floors(director: User, lead: Lead, part: str) -> list[Operation]:
    table = "SELECT l.stage, count(*), count(won_at) FROM leads_lead l JOIN leads_campaign c ON c.id = l.campaign_id"
    answers = (
        "SELECT a.question_id, a.option_id, count(*) FROM leads_answer a JOIN leads_question q ON q.id = a.question_id"
        " JOIN leads_questionnaireversion v ON v.id = q.version_id WHERE v.questionnaire_id = %s GROUP BY 1, 2"
    )
    group = f"{table} GROUP BY l.stage, c.channel_id"

    board = (
        "SELECT o.stage, o.product_id, count(*), sum(o.amount) FROM pipeline_opportunity o"
        " WHERE o.stage IN ('accepted', 'demo', 'proposal', 'contract') GROUP BY 1, 2"
    )
    cards = (
        "SELECT * FROM (SELECT o.id, row_number() OVER (PARTITION BY o.stage ORDER BY o.stage_at DESC, o.id DESC) AS place"
        " FROM pipeline_opportunity o WHERE o.stage IN ('accepted', 'demo', 'proposal', 'contract')) AS placed"
        " JOIN pipeline_opportunity o ON o.id = placed.id JOIN leads_lead l ON l.id = o.lead_id"
        " JOIN leads_contact c ON c.id = l.contact_id WHERE placed.place <= 20"
    )

    def raw_board() -> None:
        raw(board)()
        raw(cards)()

    def insert() -> None:
        contact = Contact.objects.create(name="Floor")
        Lead.objects.create(contact=contact, campaign_id=lead.campaign_id, registered_at=timezone.now())

    def bulk_create() -> None:
        contacts = Contact.objects.bulk_create([Contact(name=f"Floor {n}") for n in range(10_000)], batch_size=1000)
        Lead.objects.bulk_create(
            [Lead(contact=c, campaign_id=lead.campaign_id, registered_at=timezone.now()) for c in contacts],
            batch_size=1000,
        )

    def update() -> None:
        Lead.objects.filter(pk=lead.pk).update(updated_at=timezone.now())

    def through_orm() -> None:
        leads = Lead.objects.order_by("-registered_at", "-pk")
        paths = [path for name, path in COLUMNS if name != "consent_at"]  # which the export looks up
        writer = csv.writer(open(os.devnull, "w"))  # noqa: SIM115
        with transaction.atomic():
            writer.writerows(leads.values_list(*paths)[:100_000].iterator(chunk_size=2000))

    def by_substring() -> None:
        matching = Lead.objects.filter(search_text__contains=part).select_related("contact", "campaign", "owner")
        list(matching.order_by("-registered_at", "-pk")[:50])

    return [
        Operation("bare page", bare(director, "/page/"), ""),
        Operation("bare JSON", bare(director, "/json/"), ""),
        Operation("bare row", bare(director, f"/row/{lead.pk}/"), ""),
        Operation("raw search", by_substring, ""),
        Operation("raw board", raw_board, ""),
        Operation("raw GROUP BY", raw(group), "", MEDIUM),
        Operation("raw answers", raw(answers, biggest_questionnaire().pk), "", MEDIUM),
        Operation("two INSERTs", in_undone(insert), ""),
        Operation("one UPDATE", in_undone(update), ""),
        Operation("bulk_create 10,000", in_undone(bulk_create), "", HEAVY),
        Operation("ORM to CSV, 100,000 rows", through_orm, "", HEAVY),
    ]


def biggest_questionnaire() -> Questionnaire:
    return Questionnaire.objects.annotate(size=Count("versions__submissions")).order_by("-size", "pk")[0]


def fill_board(owner: User) -> None:
    """Make so many opportunities open that the board has `BOARD` of them, on leads that have none."""
    missing = BOARD - Opportunity.objects.open().count()
    leads = Lead.objects.filter(opportunities=None).order_by("pk").values_list("pk", "product_id")[: max(0, missing)]
    now = timezone.now()
    Opportunity.objects.bulk_create(
        Opportunity(
            lead_id=pk,
            owner=owner,
            product_id=product,
            stage=SELLING[number % len(SELLING)],
            amount=1000 + number,
            opened_at=now - datetime.timedelta(days=60),
            stage_at=now - datetime.timedelta(hours=number % 1400),
        )
        for number, (pk, product) in enumerate(leads)
    )


def import_file(folder: str) -> Callable[[], None]:
    """10,000 leads as a file; one in ten is somebody who is known already."""
    known = list(Contact.objects.exclude(email="").order_by("pk").values_list("email", flat=True)[:1000])
    rows = [
        [
            f"row-{n}",
            f"Person {n}",
            known[n // 10 % len(known)] if n % 10 == 0 and known else f"person{n}@import.example",
            n % 40,
        ]
        for n in range(10_000)
    ]
    file, mapping = pathlib.Path(folder, "leads.csv"), pathlib.Path(folder, "leads.json")
    with file.open("w", newline="") as opened:
        csv.writer(opened).writerows([["id", "name", "mail", "campaign"], *rows])
    fields = {"external_id": "id", "contact.name": "name", "contact.email": "mail", "campaign": "campaign"}
    fields |= {"channel": {"constant": "Other"}, "registered_at": {"constant": "2026-01-15"}}  # type: ignore[dict-item]
    mapping.write_text(json.dumps({"system": "benchmark", "dates": ["%Y-%m-%d"], "fields": fields}))

    def work() -> None:
        target = Leads()
        described = load_mapping(mapping, target.fields, target.required)
        source = find_source(file, described.columns, encoding=described.encoding, delimiter=described.delimiter)
        refused = pathlib.Path(folder, "refused.csv")
        summary = run_import(source, described, target, refused_path=refused, dry_run=False, progress=lambda rows: None)
        if summary.counts["created"] < len(rows) * 0.9:
            raise RuntimeError(str(summary.counts))

    return work


def recompute_after_a_change() -> None:
    """Change 1 % of the leads, then do what the hourly task does."""
    some = list(Lead.objects.filter(pk__endswith="17").values_list("pk", flat=True))
    Lead.objects.filter(pk__in=some).update(updated_at=timezone.now())
    facts.recompute(timezone.now())


def operations(director: User, lead: Lead, part: str, folder: str) -> list[Operation]:
    marketer, manager = (
        User.objects.filter(role=role).order_by("pk")[0] for role in (Role.MARKETER, Role.SALES_MANAGER)
    )
    rep = Handoff.objects.pending().order_by("pk")[0].assigned_to
    boss = signed_in(director)
    _token, secret = ApiToken.objects.create(
        user=director, name=f"benchmark {uuid.uuid4()}", scopes=sorted(SCOPES), expiry=datetime.timedelta(hours=2)
    )
    bearer = {"Authorization": f"Bearer {secret}"}
    long_ago = timezone.now() - datetime.timedelta(days=3650)
    today, count = timezone.localdate(), Lead.objects.count()
    month, years = today - datetime.timedelta(days=30), today - datetime.timedelta(days=1200)
    middle = Lead.objects.present().order_by("-registered_at", "-pk").values_list("registered_at", flat=True)
    deep = keyset_page(
        Lead.objects.filter(registered_at__lte=middle[count // 2]), {}, order=("-registered_at", "-pk"), size=1
    ).next_key
    contact = lead.contact
    typed = contact.phone[-9:-6] + "-" + contact.phone[-6:-3] + " " + contact.phone[-3:]
    biggest = Campaign.objects.get(pk=lead.campaign_id)
    opportunity = Opportunity.objects.open().order_by("-pk")[0]
    handoff = Handoff.objects.pending().exclude(first_contact_at=None).order_by("-pk")[0]

    event = Campaign.objects.events().annotate(size=Count("leads")).order_by("-size", "pk")[0]
    asked = biggest_questionnaire()
    new = Lead.objects.filter(stage=Stage.NEW, contact__do_not_contact=False).order_by("-pk")[0]
    plan = NurturePlan.objects.annotate(size=Count("enrolments")).order_by("-size", "pk")[0]
    sdr = signed_in(User.objects.filter(role=Role.SDR).order_by("pk")[0])
    agreed = CriteriaSet.objects.exclude(in_force_at=None).order_by("pk")[0]

    def web(name: str, address: str, client: Client = boss, floor: str = "bare page", repeat: int | None = None):
        return Operation(name, page(client, address), floor, repeat)

    def api(name: str, address: str) -> Operation:
        return Operation(f"API {name}", page(Client(), f"/api/v1/{address}", bearer), "bare JSON")

    def create() -> None:
        who = Person(name="Bench Mark", email=f"{uuid.uuid4()}@bench.example", phone="+49 30 1234567", company="Bench")
        register_lead(biggest, who, by=marketer, at=timezone.now())

    return [
        web("leads", "/leads/"),
        web("leads, deep page", f"/leads/?after={deep}"),
        web("leads, oldest first", "/leads/?sort=oldest"),
        web("leads, last changed first", "/leads/?sort=changed"),
        web("leads, stage and owner", f"/leads/?stage=qualified&owner={lead.owner_id or ''}"),
        web("leads, owner's team", f"/leads/?team={manager.team_id}"),
        web("leads, channel", f"/leads/?channel={biggest.channel_id}"),
        web("leads, product none", "/leads/?product=none"),
        web("leads, won within 90 days", f"/leads/?reached=qualified&then=won&within=90&from={years}&to={today}"),
        web("leads, came to a stage", f"/leads/?entered=returned&from={years}&to={today}"),
        web("search, part of a name", f"/leads/?q={part}", floor="raw search"),
        web("search, part of an e-mail", f"/leads/?q={contact.email.split('@')[0][-6:]}", floor="raw search"),
        web("search, phone in another notation", f"/leads/?q={typed}", floor="raw search"),
        web("search, one letter", "/leads/?q=k", floor="raw search"),
        web("search, two letters", "/leads/?q=an", floor="raw search"),
        web("search, nothing found", "/leads/?q=qqqqzzzz", floor="raw search"),
        web("search, two words", f"/leads/?q={part}+gmbh", floor="raw search"),
        web("search in a stage", f"/leads/?q={part}&stage=won", floor="raw search"),
        web("lead page", f"/leads/{lead.pk}/", floor="bare row"),
        web("lead panel", f"/leads/{lead.pk}/panel/", floor="bare row"),
        web("inbox of a rep", "/inbox/", signed_in(rep)),
        web("inbox of all", "/inbox/?scope=all"),
        web("home of a director", "/"),
        web("home of a marketer", "/", signed_in(marketer)),
        web("home of a rep", "/", signed_in(rep)),
        web("home of a manager", "/", signed_in(manager)),
        web("number on the bell", "/notifications/count/", floor="bare row"),
        web("notifications", "/notifications/"),
        web("handoffs", "/handoffs/"),
        web("handoffs, kept in time", f"/handoffs/?clock=verdict&state=kept&decided_from={years}"),
        web("handoffs, overdue", "/handoffs/?clock=verdict&state=overdue"),
        web("handoffs, search", f"/handoffs/?q={part}"),
        web("opportunities", "/opportunities/list/"),
        web("opportunities, won", f"/opportunities/list/?won_from={years}"),
        web("opportunities, search", f"/opportunities/list/?q={part}"),
        web("opportunity board", "/opportunities/"),
        web("opportunity board beside its SQL", "/opportunities/", floor="raw board"),
        web("opportunity board, more cards", "/opportunities/column/accepted/", signed_in(director, htmx=True)),
        web("opportunity board, rotting", "/opportunities/?rotting=1"),
        web("opportunities, by amount", "/opportunities/list/?sort=amount"),
        web("opportunities, without a next step", "/opportunities/list/?step=none&sort=stage"),
        Operation("drop on the board", in_undone(dropped(director)), "one UPDATE"),
        web("opportunity page", f"/opportunities/{opportunity.pk}/", floor="bare row"),
        web("campaigns", "/campaigns/"),
        web("campaign page", f"/campaigns/{biggest.pk}/", floor="bare row"),
        web("visitor report", f"/campaigns/{event.pk}/report/", floor="bare row"),
        web("visitor report as a file", f"/campaigns/{event.pk}/report/export/", repeat=MEDIUM),
        web("call desk", "/desk/", sdr),
        web("call sheet", f"/desk/{new.pk}/", sdr),
        web("questionnaires", "/questionnaires/"),
        web("questionnaire results", f"/questionnaires/{asked.pk}/results/", floor="raw answers", repeat=MEDIUM),
        web(
            "questionnaire as a file", f"/questionnaires/{asked.pk}/results/export/", floor="raw answers", repeat=HEAVY
        ),
        web("answers that look like spam", "/answers/"),
        web("criteria", "/settings/criteria/"),
        web("backtest of criteria", f"/settings/criteria/{agreed.pk}/backtest/", repeat=MEDIUM),
        web(
            "backtest, all time",
            f"/settings/criteria/{agreed.pk}/backtest/?from={years}&to={today}",
            floor="raw GROUP BY",
            repeat=MEDIUM,
        ),
        web("nurture plans", "/nurture/"),
        web("nurture plan", f"/nurture/{plan.pk}/"),
        web("partners", "/partners/"),
        web("unmet demand", "/demand/"),
        web("personal data of a contact", f"/contacts/{contact.pk}/personal-data/", repeat=MEDIUM),
        web("retention preview", "/settings/retention/lost/?days=200", floor="raw GROUP BY", repeat=MEDIUM),
        web("expenses", "/expenses/"),
        web("contacts", "/contacts/"),
        web("contacts, search", f"/contacts/?q={part}", floor="raw search"),
        web("contacts, one letter", "/contacts/?q=k", floor="raw search"),
        web("contact page", f"/contacts/{contact.pk}/", floor="bare row"),
        web("companies", "/companies/"),
        web("companies, search", f"/companies/?q={part}", floor="raw search"),
        web("company page", f"/companies/{contact.company_id}/", floor="bare row"),
        web("weekly review", "/weekly/"),
        web("weekly review, a month ago", f"/weekly/?week={month}"),
        web("KPI funnel, 90 days", "/kpi/", floor="raw GROUP BY", repeat=10),
        web("KPI funnel, all time", f"/kpi/?from={years}&to={today}", floor="raw GROUP BY", repeat=10),
        web("KPI channels, all time", f"/kpi/channels/?from={years}&to={today}", floor="raw GROUP BY", repeat=10),
        web("KPI clocks, all time", f"/kpi/sla/?from={years}&to={today}", floor="raw GROUP BY", repeat=10),
        api("leads", "leads/"),
        api("leads, stage and owner", f"leads/?stage=qualified&owner={lead.owner.email if lead.owner else ''}"),
        api("leads, channel", f"leads/?channel={biggest.channel_id}"),
        api("leads, rare stage", "leads/?stage=returned"),
        api("leads, changed since", f"leads/?updated_since={today}T00:00:00Z"),
        api("leads, registered since", f"leads/?registered_since={month}T00:00:00Z"),
        api("leads, search", f"leads/?search={part}"),
        api("contacts", "contacts/"),
        api("contacts, by e-mail", f"contacts/?email={contact.email}"),
        api("contacts, changed since", f"contacts/?updated_since={today}T00:00:00Z"),
        api("contacts, of a system", "contacts/?system=crm"),
        api("contacts, do not contact", "contacts/?do_not_contact=true"),
        api("contacts, search", f"contacts/?search={part}"),
        api("companies", "companies/"),
        api("companies, search", f"companies/?search={part}"),
        api("campaigns", "campaigns/"),
        api("expenses", "expenses/"),
        api("handoffs", "handoffs/"),
        api("handoffs, pending", "handoffs/?verdict=pending"),
        api("handoffs, of a rep", f"handoffs/?assigned_to={rep.email}"),
        api("handoffs, changed since", f"handoffs/?updated_since={today}T00:00:00Z"),
        api("opportunities", "opportunities/"),
        api("opportunities, won", "opportunities/?stage=won"),
        api("opportunities, changed since", f"opportunities/?updated_since={today}T00:00:00Z"),
        api("metrics", f"metrics/?from={years}&to={today}&by=channel"),
        Operation("create with duplicate check", in_undone(create), "two INSERTs"),
        Operation(
            "stage change (accept)",
            in_undone(
                lambda: transitions.accept(Handoff.objects.get(pk=handoff.pk), by=rep_of(handoff), at=timezone.now())
            ),
            "one UPDATE",
        ),
        # Long before anything is due there is nothing to tell: what the sweep of a quiet minute costs.
        Operation("sweep that finds nothing", in_undone(lambda: sweep(long_ago)), "one UPDATE", MEDIUM),
        Operation("import 10,000 rows", in_undone(import_file(folder)), "bulk_create 10,000", HEAVY),
        web("export, all leads", "/leads/export/", floor="ORM to CSV, 100,000 rows", repeat=HEAVY),
        Operation("recompute all", in_undone(lambda: facts.rebuild_all(timezone.now())), "raw GROUP BY", HEAVY),
        Operation("change 1 % and recompute", in_undone(recompute_after_a_change), "recompute all", HEAVY),
    ]


def dropped(director: User) -> Callable[[], None]:
    """A card goes from one column to the next: the move, the card and all sums anew."""
    card = Opportunity.objects.open().filter(stage=Stage.PROPOSAL, lead__stage=Stage.PROPOSAL).order_by("-pk")[0]
    board = f"http://testserver{reverse('pipeline:opportunity_board')}"
    headers = {"HX-Request": "true", "HX-Target": f"card-{card.pk}", "HX-Current-URL": board}
    client = signed_in(director)

    def drop() -> None:
        sent = {"stage": Stage.CONTRACT.value, "seen": Stage.PROPOSAL.value}
        response = client.post(reverse("pipeline:opportunity_move", args=[card.pk]), sent, headers=headers)
        if b'data-stage="contract"' not in response.content:
            raise RuntimeError(response.content[:200])

    return drop


def rep_of(handoff: Handoff) -> User:
    return User.objects.get(pk=handoff.assigned_to_id)


HEADER = (
    f"{'':<36} {'p50 ms':>9} {'p95 ms':>9} {'cpu ms':>8} {'queries':>8} {'db ms':>9} {'slowest':>9}  ratio to the floor"
)


def show(row: Result) -> None:
    mark = " !" if row.slowest_ms > WANTED_MS else ""
    ratio = f"{row.ratio} × {row.floor}" if row.ratio else ""
    print(
        f"{row.name:<36} {row.p50_ms:>9} {row.p95_ms:>9} {row.cpu_ms:>8} {row.queries:>8} {row.database_ms:>9}"
        f" {row.slowest_ms:>9}  {ratio}{mark}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--only", default="", help="operations whose name contains this")
    parser.add_argument("--json", type=pathlib.Path, help="write the figures there, too")
    options = parser.parse_args()
    if settings.PRODUCTION:
        sys.exit("This is a production database: benchmarks are refused.")
    logging.disable(logging.CRITICAL)
    director = User.objects.filter(role=Role.DIRECTOR).order_by("pk").first()
    leads = Lead.objects.filter(stage=Stage.ACCEPTED).exclude(contact__phone="").exclude(contact__email="")
    lead = leads.exclude(contact__company=None).exclude(owner=None).order_by("-pk").first()
    if director is None or lead is None:
        sys.exit("There is nothing to measure: load_demo --leads 100000, then recompute_facts --all.")
    part = lead.contact.name.split()[-1][:5].lower()
    with tempfile.TemporaryDirectory() as folder, transaction.atomic():
        print(HEADER)
        fill_board(director)
        by_name: dict[str, float] = {}
        results = []
        least = floors(director, lead, part)
        measured = [each for each in operations(director, lead, part, folder) if options.only in each.name]
        if options.only:
            least = [each for each in least if each.name in {each.floor for each in measured}]
        again = {each.name: each for each in least if each.repeat != HEAVY}
        for each in [*least, *measured]:
            if each.floor in again:  # measured anew beside it: the machine has had other things to do meanwhile
                by_name[each.floor] = measure(again[each.floor], min(5, options.repeat), {}).p50_ms
            row = measure(each, options.repeat, by_name)
            by_name[row.name] = row.p50_ms
            results.append(row)
            show(row)
        transaction.set_rollback(True)
    if options.json:
        options.json.write_text(json.dumps(list(map(asdict, results)), indent=1))


if __name__ == "__main__":
    main()
