"""How people want to hear of what: which kinds of notifications concern whom, and what each person chose."""

import dataclasses
from collections.abc import Mapping, Set

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts import access
from accounts.models import Role, User
from pipeline.models import Notification, NotificationChoice

Kind = Notification.Kind
Mail = NotificationChoice.Mail
EVERYBODY = frozenset(Role)


@dataclasses.dataclass(frozen=True)
class Group:
    """Kinds that stand together on the page, each with the roles that it is sent to."""

    label: str | Promise
    kinds: Mapping[Kind, Set[Role]]


GROUPS = (
    Group(_("Tasks"), {Kind.TASK: access.HAVE_TASKS, Kind.TASK_DUE: access.HAVE_TASKS}),
    Group(
        _("Leads handed over to me, and my team's"),
        {
            Kind.HANDED_OVER: access.SELL,
            Kind.REASSIGNED: access.SELL,
            Kind.DUE_SOON: access.SELL,
            Kind.OVERDUE: access.SELL,
            Kind.ESCALATED: access.LEAD_A_TEAM,
            Kind.COLD: access.SELL,
            Kind.POOLED: access.SELL,
            Kind.PAUSE_ENDED: access.SELL,
        },
    ),
    Group(
        _("My leads"),
        {
            Kind.UNTOUCHED: access.QUALIFY_LEADS,
            Kind.PROPOSED: access.QUALIFY_LEADS,
            Kind.ACCEPTED: access.HAND_OVER_LEADS,
            Kind.RETURNED: access.HAND_OVER_LEADS,
            Kind.WON: access.REGISTER_LEADS,
        },
    ),
    Group(
        _("Refusals and disputes"),
        {
            Kind.RETURN_ANSWERED: access.SELL,
            Kind.DISPUTED: access.DECIDE_CRITERIA,
            Kind.DISPUTE_DECIDED: access.SELL | access.HAND_OVER_LEADS,
        },
    ),
    Group(
        _("Selling and content"),
        {
            Kind.MAIL_FAILED: access.LOG_ACTIVITIES,
            Kind.PAYMENT_OVERDUE: access.SELL,
            Kind.CONTENT_REQUESTED: access.HAND_OVER_LEADS,
            Kind.CONTENT_READY: access.HAVE_TASKS,
        },
    ),
    Group(_("Quality checks"), {Kind.REVIEWED: access.HAVE_TASKS, Kind.REVIEW_PROPOSED: access.HAVE_TASKS}),
    Group(
        _("Criteria and approvals"),
        {Kind.APPROVAL: EVERYBODY, Kind.APPROVED: EVERYBODY, Kind.CHANGE_ASKED: EVERYBODY},
    ),
)


def groups_for(user: User) -> list[tuple[str, list[Kind]]]:
    """What concerns this person, by group."""
    mine = [(str(group.label), [kind for kind in group.kinds if user.role in group.kinds[kind]]) for group in GROUPS]
    return [(label, kinds) for label, kinds in mine if kinds]


def choices_of(user: User) -> dict[str, NotificationChoice]:
    """What they chose for each kind, the usual where they didn't."""
    chosen = {choice.kind: choice for choice in NotificationChoice.objects.filter(user=user)}
    return {kind: chosen.get(kind) or NotificationChoice(user=user, kind=kind) for kind in Kind.values}


@transaction.atomic
def choose(user: User, wanted: Mapping[str, tuple[bool, Mail]]) -> None:
    """Keep for each kind of `wanted` whether it is shown in the app, and when it is mailed.

    What waits for a digest is let go where the person wants no mails of its kind any more; where they want them at once,
    it still comes with the next digest.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    usual = (NotificationChoice().in_app, NotificationChoice().mail)
    NotificationChoice.objects.filter(user=user, kind__in=wanted).delete()
    NotificationChoice.objects.bulk_create(
        NotificationChoice(user=user, kind=kind, in_app=in_app, mail=mail)
        for kind, (in_app, mail) in wanted.items()
        if (in_app, mail) != usual
    )
    silent = [kind for kind, (_in_app, mail) in wanted.items() if mail == Mail.OFF]
    waiting = Notification.objects.for_digest().filter(recipient=user, kind__in=silent)
    waiting.filter(is_shown=True).update(in_digest=False)
    waiting.filter(is_shown=False).delete()  # nobody would ever see them
