"""Marketing's own clock: from a lead's registration to its first contact, in working hours.

The limit is that of the agreement in force when the lead was registered. The sweep writes the deadline within a minute;
until then `clock` reckons it, so what a page says is exact from the first second. Imported history has no such clock:
nobody could have kept it.
"""

import datetime

from accounts.models import Organisation
from leads.models import Lead
from leads.models.leads import UNCONTACTED
from pipeline.models import Agreement
from pipeline.sla import ClockState, after_working_hours, working_seconds

# A lead that was registered longer ago, and never had a deadline, came with imported history.
RECENT = datetime.timedelta(days=30)
SOON_SECONDS = 3600  # of working time that are left


def is_timed(lead: Lead, at: datetime.datetime) -> bool:
    """Whether marketing's speed with this lead is measured: it has a deadline, or is new enough to be given one."""
    if lead.registered_at is None:
        return False
    return lead.response_due_at is not None or lead.registered_at >= at - RECENT


def is_waiting(lead: Lead) -> bool:
    """Nobody of marketing has been in touch with this lead yet, and somebody should be."""
    return lead.stage in UNCONTACTED and lead.contacted_at is None and not lead.contact.do_not_contact


def due_at(
    lead: Lead, *, agreements: list[Agreement] | None = None, organisation: Organisation | None = None
) -> datetime.datetime:
    """When the first contact is due. Give `agreements` (newest first) and the organisation where many are reckoned."""
    if lead.response_due_at is not None:
        return lead.response_due_at
    registered_at = lead.registered_at
    assert registered_at is not None  # `is_timed` was asked
    if agreements is None:
        agreement = Agreement.objects.in_force(registered_at)
    else:
        agreement = next((each for each in agreements if each.in_force_at <= registered_at), agreements[-1])
    return after_working_hours(registered_at, agreement.response_hours, organisation or Organisation.current())


def clock(
    lead: Lead,
    now: datetime.datetime,
    *,
    agreements: list[Agreement] | None = None,
    organisation: Organisation | None = None,
) -> dict | None:
    """The clock as a page shows it: state, due, done; None for a lead that has none."""
    if not is_timed(lead, now) or not (is_waiting(lead) or lead.contacted_at):
        return None
    organisation = organisation or Organisation.current()
    due = due_at(lead, agreements=agreements, organisation=organisation)
    if lead.contacted_at is not None:
        state = ClockState.KEPT if lead.contacted_at <= due else ClockState.LATE
    elif now > due:
        state = ClockState.OVERDUE
    else:
        is_soon = working_seconds(now, due, organisation) <= SOON_SECONDS
        state = ClockState.SOON if is_soon else ClockState.RUNNING
    return {"state": state.value, "due": due, "done": lead.contacted_at}


def note_contact(lead: Lead, at: datetime.datetime) -> None:
    """Keep on a locked lead how long its first contact took; the caller saves it."""
    if lead.registered_at is not None and lead.response_seconds is None and is_timed(lead, at):
        organisation = Organisation.current()
        lead.response_due_at = due_at(lead, organisation=organisation)
        lead.response_seconds = working_seconds(lead.registered_at, at, organisation)


def note_brief(lead: Lead, at: datetime.datetime) -> None:
    """Keep on a locked lead how long it took from its registration to its first brief; the caller saves it."""
    if lead.registered_at is not None and lead.briefed_at is None and is_timed(lead, at):
        lead.brief_seconds = working_seconds(lead.registered_at, at, Organisation.current())
