"""Leads and deals from files: dates become stages, handoffs, opportunities and the log, by the funnel's own order. L4"""

import datetime
import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Role, User
from leads.models import Campaign, Contact, Lead, LeadEvent, Reason, Stage
from pipeline.models import Handoff, Opportunity, OpportunityLine
from pipeline.sweep import sweep

pytestmark = pytest.mark.django_db

STAGES = [
    "registered_at",
    "contacted_at",
    "qualified_at",
    "handed_over_at",
    "in_work_at",
    "accepted_at",
    "won_at",
    "lost_at",
]
COLUMNS = [
    "id",
    "email",
    "phone",
    "channel",
    "campaign",
    "rep",
    "stage",
    *STAGES,
    "returned_at",
    "warm_at",
    "removed_at",
    "reason",
    "amount",
]
LEADS = {
    "system": "old",
    "fields": {
        "external_id": "id",
        "contact.email": "email",
        "contact.phone": "phone",
        "channel": {"column": "channel", "empty": "(none)"},
        "campaign": {"column": "campaign", "empty": "(none)"},
        "sales_owner": "rep",
        "stage": "stage",
        **{name: name for name in [*STAGES, "returned_at", "warm_at", "removed_at"]},
        "lost_reason": "reason",
        "return_reason": "reason",
        "removal_reason": "reason",
        "amount": "amount",
    },
}


def day(number: int) -> datetime.datetime:
    return datetime.datetime(2024, 5, number, tzinfo=datetime.UTC)


@pytest.fixture
def take(tmp_path: Path):
    """`take([row, …])` imports rows, each a dict of columns; days of May 2024 may be given as numbers."""

    def imported(rows: list[dict], what: str = "leads", mapping: dict = LEADS) -> str:
        lines = [COLUMNS]
        for row in rows:
            cells = {name: f"2024-05-{value:02}" if isinstance(value, int) else value for name, value in row.items()}
            lines.append([cells.get(name, "") for name in COLUMNS])
        (tmp_path / "file.csv").write_text("\n".join(",".join(line) for line in lines))
        (tmp_path / "mapping.json").write_text(json.dumps(mapping))
        out = io.StringIO()
        arguments = [what, str(tmp_path / "file.csv"), "--mapping", str(tmp_path / "mapping.json")]
        call_command("import_data", *arguments, stdout=out, stderr=io.StringIO())
        return out.getvalue()

    return imported


def log(lead: Lead) -> list[tuple[str, str, str, datetime.datetime]]:
    return list(lead.events.order_by("pk").values_list("kind", "from_stage", "to_stage", "at"))


def test_every_date_becomes_a_stage_an_event_and_its_record(take):
    take([{"id": "1", "rep": "Zoe", "registered_at": 1, "contacted_at": 2, "qualified_at": 3, "handed_over_at": 4,
           "in_work_at": 6, "accepted_at": 7, "won_at": 20, "amount": "1200.50"}])  # fmt: skip
    lead = Lead.objects.get()
    assert lead.stage == Stage.WON
    assert log(lead) == [
        ("registered", "", "new", day(1)),
        ("contacted", "new", "contacted", day(2)),
        ("qualified", "contacted", "qualified", day(3)),
        ("handed_over", "qualified", "handed_over", day(4)),
        ("in_work", "handed_over", "in_work", day(6)),
        ("accepted", "in_work", "accepted", day(7)),
        ("won", "accepted", "won", day(20)),
    ]
    assert {(event.actor, event.data["source"], event.data["system"]) for event in lead.events.all()} == {
        (None, "import", "old")
    }
    assert (lead.registered_at, lead.won_at, lead.briefed_at) == (day(1), day(20), None)
    handoff = Handoff.objects.get()
    assert (handoff.verdict, handoff.handed_over_at, handoff.first_contact_at, handoff.decided_at) == (
        "accepted", day(4), day(6), day(7),
    )  # fmt: skip
    assert handoff.first_contact_due_at == day(11)
    deal = Opportunity.objects.get()
    assert (deal.stage, deal.opened_at, deal.won_at, str(deal.amount)) == ("won", day(7), day(20), "1200.50")
    assert (deal.owner.role, deal.owner.is_active, deal.owner.email) == (
        Role.SALES_REP,
        False,
        "zoe@old.import.invalid",
    )
    assert not deal.owner.has_usable_password()


def test_again_changes_nothing(take):
    rows = [
        {"id": "1", "rep": "Zoe", "registered_at": 1, "handed_over_at": 4, "accepted_at": 7, "won_at": 20},
        {"id": "2", "rep": "Zoe", "qualified_at": 3, "handed_over_at": 4},
        {"id": "3", "email": "a@x.example", "warm_at": 3},
        {"id": "4", "rep": "Zoe", "accepted_at": 3, "lost_at": 2, "reason": "Price"},
    ]
    take(rows)
    models = (Lead, LeadEvent, Handoff, Opportunity, Contact, Campaign, User, Reason)
    before = [list(model.objects.order_by("pk").values()) for model in models]
    assert "unchanged  4" in take(rows)
    assert [list(model.objects.order_by("pk").values()) for model in models] == before


def test_unknown_stages_are_not_invented(take):
    take([{"id": "1", "rep": "Zoe", "won_at": 9}])
    lead = Lead.objects.get()
    assert [event[2] for event in log(lead)] == ["won"]
    assert (lead.registered_at, lead.accepted_at) == (None, None)
    assert not Handoff.objects.exists()
    assert Opportunity.objects.get().opened_at == day(9)


def test_won_before_registered_is_counted_warned_of_and_a_data_fault(take):
    printed = take([{"id": "1", "rep": "Zoe", "registered_at": 8, "won_at": 6}])
    assert "warned     1" in printed
    assert "“Won” (2024-05-06) is dated before “New” (2024-05-08)" in printed
    lead = Lead.objects.get()
    assert lead.stage == Stage.WON
    assert [event[0] for event in log(lead)] == ["registered", "won", "data_fault"]
    assert lead.events.get(kind="data_fault").data["won"] == day(6).isoformat()


def test_a_later_file_adds_stages_and_never_moves_those_reached(take):
    take([{"id": "1", "registered_at": 1, "qualified_at": 2}])
    printed = take([{"id": "1", "rep": "Zoe", "registered_at": 1, "qualified_at": 5, "handed_over_at": 6}])
    assert "updated    1" in printed
    assert "“Qualified (MQL)” stays at 2024-05-02" in printed
    lead = Lead.objects.get()
    assert (lead.stage, lead.qualified_at) == (Stage.HANDED_OVER, day(2))
    assert log(lead)[-1] == ("handed_over", "qualified", "handed_over", day(6))
    take([{"id": "1", "rep": "Zoe", "in_work_at": 7, "accepted_at": 8}])
    handoff = Handoff.objects.get()
    assert (handoff.first_contact_at, handoff.verdict, handoff.decided_at) == (day(7), "accepted", day(8))
    assert Opportunity.objects.get().stage == Stage.ACCEPTED


def test_what_lines_or_another_currency_make_a_deal_worth_stays_and_is_warned_of(take):
    past = {"rep": "Zoe", "accepted_at": 3, "amount": "100"}
    take([{"id": name} | past for name in ("1", "2", "3")])
    OpportunityLine.objects.create(opportunity=Opportunity.objects.get(external_id="1"), text="Licence", amount=100)
    Opportunity.objects.filter(external_id="2").update(currency="USD", foreign_amount=110, rate="0.91")
    printed = take([{"id": name} | past | {"amount": "70"} for name in ("1", "2", "3")])
    assert printed.count("“amount” stays at 100.00; the file says 70") == 2
    assert list(Opportunity.objects.order_by("external_id").values_list("amount", flat=True)) == [100, 100, 70]


def test_an_old_file_doesnt_move_a_lead_back(take):
    take([{"id": "1", "rep": "Zoe", "accepted_at": 3, "won_at": 9}])
    take([{"id": "1", "rep": "Zoe", "contacted_at": 2, "accepted_at": 3}])
    assert Lead.objects.get().stage == Stage.WON
    assert Opportunity.objects.get().stage == Stage.WON


def test_a_returned_lead_has_a_rejected_handoff_with_its_reason(take):
    take([{"id": "1", "rep": "Zoe", "handed_over_at": 2, "returned_at": 5, "warm_at": 9, "reason": "Too small"}])
    handoff = Handoff.objects.get()
    assert (handoff.verdict, str(handoff.reason), handoff.decided_at) == ("rejected", "Too small", day(5))
    assert Lead.objects.get().stage == Stage.WARM
    assert Reason.objects.get(text="Too small").kind == Reason.Kind.REJECTION


def test_a_removed_lead_remembers_where_it_stood(take):
    take([{"id": "1", "registered_at": 1, "contacted_at": 2, "removed_at": 3, "reason": "Duplicate"}])
    lead = Lead.objects.get()
    assert (lead.stage, lead.stage_before_removal, str(lead.removal_reason)) == ("removed", "contacted", "Duplicate")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"stage": "won", "rep": "Zoe"}, "needs a date"),
        ({"stage": "demo", "rep": "Zoe"}, "opportunity needs a date"),
        ({"stage": "handed_over", "rep": "Zoe"}, "date of handing over"),
        ({"won_at": 3}, "who in sales"),
        ({"handed_over_at": 3}, "who in sales"),
        ({"lost_at": 3, "rep": "Zoe"}, "needs a reason"),
        ({"removed_at": 3}, "needs a reason"),
        ({"stage": "hot"}, "is no stage"),
        ({"won_at": "2204-05-05", "rep": "Zoe"}, "out of all bounds"),
        ({"registered_at": "2099-05-05"}, "lies in the future"),
        ({"won_at": 3, "rep": "Zoe", "amount": "-5"}, "below zero"),
        ({"campaign": "x" * 201}, "at most 200"),
    ],
)
def test_a_past_that_cant_be_told_is_refused(take, row, told):
    printed = take([{"id": "1", **row}, {"id": "2"}])
    assert told in printed
    assert Lead.objects.get().external_id == "2"


def test_two_leads_of_one_address_are_one_contact(take):
    take([{"id": "1", "email": "A@x.example"}, {"id": "2", "email": "a@x.example "}])
    assert Contact.objects.get().leads.count() == 2


def test_a_known_user_is_found_by_email_and_gets_the_deal(take, sam):
    take([{"id": "1", "rep": sam.email.upper(), "accepted_at": 3}])
    assert Opportunity.objects.get().owner == sam


def test_names_that_differ_only_in_lost_letters_are_different_people(take):
    take(
        [
            {"id": str(n), "rep": name, "accepted_at": 3}
            for n, name in enumerate(["Иван", "Олег", "Zoe A", "Zoe-A", "zoe a"])
        ]
    )
    assert Opportunity.objects.values("owner").distinct().count() == 4


def test_a_channel_differs_from_no_channel(take):
    take([{"id": "1", "channel": "unknown"}, {"id": "2"}, {"id": "3", "channel": "Unknown "}])
    assert sorted(Lead.objects.values_list("campaign__channel__name", flat=True)) == ["(none)", "unknown", "unknown"]


DEALS = {
    "system": "shop",
    "fields": {"external_id": "id", "lead": "email", "lead_system": {"constant": "old"}, "sales_owner": "rep",
               "won_at": "won_at", "amount": "amount"},
}  # fmt: skip


def test_a_deal_finds_its_lead_and_one_without_lead_is_refused(take):
    take([{"id": "lead-1", "registered_at": 1}])
    printed = take(
        [
            {"id": "d1", "email": "lead-1", "rep": "Zoe", "won_at": 3, "amount": "10"},
            {"id": "d2", "email": "lead-2", "rep": "Zoe", "won_at": 3},
            {"id": "d3", "email": "lead-1", "rep": "Zoe", "won_at": 9, "amount": "20"},
        ],
        "deals",
        DEALS,
    )
    assert "created    2" in printed
    assert "There is no lead “lead-2” from “old”" in printed
    lead = Lead.objects.get()
    assert lead.opportunities.count() == 2
    assert (lead.stage, lead.won_at) == (Stage.WON, day(3))


def test_deals_need_somebody_in_sales(take):
    with pytest.raises(CommandError, match="sales_owner"):
        take([], "deals", {"system": "x", "fields": {"lead": "id"}})


def test_an_import_wakes_nobody(take, dora, max_):
    take([{"id": "1", "rep": "Zoe", "handed_over_at": 2}, {"id": "2", "rep": "Zoe", "accepted_at": 2}])
    at = datetime.datetime.now(datetime.UTC)
    assert not any(sweep(at).values())
    assert Handoff.objects.get().verdict == "pending"


def test_an_import_takes_a_constant_number_of_queries_per_batch(take):
    def queries(ids: range) -> int:
        rows = [
            {
                "id": str(n),
                "rep": "Zoe",
                "handed_over_at": 2,
                "won_at": 4,
                "email": f"{n}@x.example",
                "phone": f"555{n:04}",
            }
            for n in ids
        ]
        with CaptureQueriesContext(connection) as made:
            take(rows)
        return len(made)

    assert queries(range(5)) >= queries(range(10, 70))
