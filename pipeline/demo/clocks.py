"""The clocks of the demo: a channel with terms of its own, pauses of today and before, and leads in the pool."""

import datetime

from accounts.models import User
from leads.models import Channel, LeadEvent
from pipeline import agreements, transitions
from pipeline.models import Agreement, Handoff

HOUR, DAY = datetime.timedelta(hours=1), datetime.timedelta(days=1)


def agree_on_clocks(director: User, at: datetime.datetime) -> Agreement:
    """Before the story begins: cold leads go back to the pool, and who was recommended is called sooner."""
    first = Agreement.objects.get()
    sooner = {"channel": Channel.objects.get(name="Referral"), "first_contact_days": 3, "verdict_days": 10}
    return agreements.put_in_force(
        {**agreements.terms(first), "cold_to_pool": True},
        channels=[sooner],
        seen_version=first.version,
        note="Nobody waits in vain: what one of us forgets, another takes.",
        by=director,
        at=at - 1_200 * DAY,
    )


def add_clocks(at: datetime.datetime) -> None:
    """A handoff that waits for its client, one that waited, and the cold ones in the pool, as the sweep puts them."""
    in_time = Handoff.objects.pending().filter(verdict_due_at__gt=at + DAY, first_contact_at__isnull=False)
    in_time = in_time.filter(assigned_to__name="Sam")  # who looks around as a rep sees each state
    waiting = list(in_time.select_related("lead", "assigned_to").order_by("-handed_over_at", "-pk")[:2])
    if len(waiting) == 2:
        paused, resumed = waiting
        why = "Their board decides on the budget next week; asked to be called afterwards."
        transitions.pause(paused, at + 6 * DAY, why, by=paused.assigned_to, at=at - 3 * HOUR)
        why = "On a business trip until the end of the week."
        transitions.pause(resumed, at + 2 * DAY, why, by=resumed.assigned_to, at=at - 20 * HOUR)
        transitions.resume(resumed, by=resumed.assigned_to, at=at - 2 * HOUR)
    cold = list(
        Handoff.objects.pending()
        .filter(lead__cold_flagged_at__isnull=False, agreement__cold_to_pool=True)
        .select_related("lead", "assigned_to")
    )
    for handoff in cold:
        handoff.pooled_at = handoff.lead.cold_flagged_at
    Handoff.objects.bulk_update(cold, ["pooled_at"], batch_size=500)
    LeadEvent.objects.bulk_create(
        LeadEvent(
            lead=handoff.lead,
            kind=LeadEvent.Kind.POOLED,
            at=handoff.pooled_at or at,
            data={"rep": str(handoff.assigned_to), "told": [str(handoff.assigned_to)]},
        )
        for handoff in cold
    )
