"""What a new organisation's pipeline starts with."""

import datetime

from django.utils.translation import gettext_noop as _

from leads import defaults as leads_defaults
from pipeline.models import Agreement, Checklist, ChecklistItem, RoutingRule, SalesPipeline

SALES = _("Sales")  # the one pipeline that sells everything, until there are others
# Name, client, goes to: tried in this order. Translated when shown, until edited.
ROUTING_RULES = [
    (_("Existing clients go to their owner"), RoutingRule.Client.EXISTING, RoutingRule.To.OWNER),
    (_("New contacts: whose turn it is"), RoutingRule.Client.NEW, RoutingRule.To.ANYONE),
]

# For what, name, how many a week are picked for review, and what is looked at with its points.
CHECKLISTS = [
    (
        Checklist.Kind.CALL,
        _("A good call"),
        2,
        [
            (_("Says who they are, and asks whether now is a good moment"), 5),
            (_("Knows what marketing has noted, and doesn't ask it again"), 10),
            (_("Asks open questions, and listens more than talks"), 10),
            (_("Finds out the need, the budget and who decides"), 10),
            (_("Answers objections without arguing"), 10),
            (_("Ends with one agreed next step and its day"), 10),
        ],
    ),
    (
        Checklist.Kind.MEETING,
        _("A good meeting"),
        0,
        [
            (_("Prepared: goal, agenda, who takes part"), 10),
            (_("Repeats the need in the client's words"), 10),
            (_("Shows what fits the need, and nothing else"), 10),
            (_("All who decide were heard"), 10),
            (_("Ends with agreed next steps, written down the same day"), 10),
        ],
    ),
    (
        Checklist.Kind.PRESENTATION,
        _("A good presentation"),
        0,
        [
            (_("Begins with the client's problem"), 10),
            (_("Shows a case from the client's field"), 10),
            (_("Lets the client try it"), 5),
            (_("Says the price plainly, with what it brings"), 10),
            (_("Keeps to the agreed time"), 5),
        ],
    ),
    (
        Checklist.Kind.MYSTERY,
        _("Mystery shopping"),
        0,
        [
            (_("Answered within the promised time"), 10),
            (_("Friendly and to the point"), 5),
            (_("Asked what is needed before offering"), 10),
            (_("Sent what was promised"), 10),
        ],
    ),
]


def create_defaults(*, at: datetime.datetime) -> None:
    """Fill what is still empty, here and in `leads`."""
    leads_defaults.create_defaults(at=at)
    if not Agreement.objects.exists():
        Agreement.objects.create(version=1, in_force_at=at)
    if not SalesPipeline.objects.filter(is_default=True).exists():
        SalesPipeline.objects.create(name=SALES, is_default=True)
    if not RoutingRule.objects.exists():
        RoutingRule.objects.bulk_create(
            RoutingRule(name=name, client=client, to=to, position=position)
            for position, (name, client, to) in enumerate(ROUTING_RULES)
        )
    if not Checklist.objects.exists():
        for kind, name, a_week, items in CHECKLISTS:
            checklist = Checklist.objects.create(kind=kind, name=name, a_week=a_week)
            ChecklistItem.objects.bulk_create(
                ChecklistItem(checklist=checklist, text=text, points=points, position=position)
                for position, (text, points) in enumerate(items)
            )
