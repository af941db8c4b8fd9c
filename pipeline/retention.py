"""How long data is kept: whom each rule reaches, setting a rule so that it can be previewed, and the night's work."""

import datetime
import functools

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from accounts import access
from accounts.access import NotAllowed
from accounts.models import Organisation, User
from integrations.models import OutboxMessage
from integrations.outbox import forget_files
from leads.models import Answer, Consent, Contact, Erasure, Lead, LeadEvent, RetentionRule, Stage, Submission
from leads.models.leads import SELLING
from pipeline.models import Handoff, Opportunity, Payment, Task
from pipeline.personal_data import erase

Kind = RetentionRule.Kind
LEAST_DAYS = {kind: 7 if kind in {Kind.SPAM, Kind.MAIL} else 30 for kind in Kind}
MOST_DAYS = 36_500
MOST_PERSONS_A_RUN = 500  # each in a transaction of its own; the next run goes on
MOST_ROWS_A_RUN = 20_000
ROWS_AT_ONCE = 1_000
# What the person did, or somebody did with them; what LeadFlow does by itself, such as sending a mail, is nothing new.
_HEARD = [
    LeadEvent.Kind.REGISTERED,
    LeadEvent.Kind.REGISTERED_AGAIN,
    LeadEvent.Kind.ANSWERED,
    LeadEvent.Kind.CONSENT,
]
_LEFT = [Stage.LOST, Stage.RETURNED, Stage.REMOVED]


class Refused(Exception):
    """The rule can't be set so; the text says why."""


def is_of_persons(kind: Kind) -> bool:
    """Whether a rule erases persons; the others clear texts."""
    return kind not in {Kind.SPAM, Kind.MAIL}


def reached(kind: Kind, days: int, at: datetime.datetime) -> QuerySet:
    """What a rule of so many days would reach at that moment: contacts, submissions or mails."""
    before = at - datetime.timedelta(days=days)
    if kind == Kind.SPAM:
        held_back = Submission.objects.filter(lead__isnull=True, submitted_at__lt=before).exclude(
            verdict=Submission.Verdict.GENUINE
        )
        return held_back.filter(~Q(person={}) | Exists(Answer.objects.filter(submission=OuterRef("pk"))))
    if kind == Kind.MAIL:
        over = Q(sent_at__lt=before) | Q(failed_at__lt=before)
        return OutboxMessage.objects.filter(over).exclude(subject="", text="", html="")
    return _contacts(kind, before)


def _contacts(kind: Kind, before: datetime.datetime) -> QuerySet[Contact]:
    leads = Lead.objects.filter(contact=OuterRef("pk"))
    of_contact = {"lead__contact": OuterRef("pk")}
    contacts = Contact.objects.filter(
        # Work in hand, and contracts, whose papers have limits of their own.
        ~Exists(Handoff.objects.pending().filter(**of_contact)),
        ~Exists(Opportunity.objects.filter(**of_contact, stage__in=[*SELLING, Stage.WON])),
        ~Exists(Payment.objects.filter(opportunity__lead__contact=OuterRef("pk"))),
        ~Exists(Task.objects.open().filter(**of_contact)),
        # Something new.
        ~Exists(leads.filter(Q(registered_at__gte=before) | Q(last_contact_at__gte=before))),
        ~Exists(LeadEvent.objects.filter(Q(actor__isnull=False) | Q(kind__in=_HEARD), **of_contact, at__gte=before)),
        ~Exists(Consent.objects.filter(contact=OuterRef("pk"), given_at__gte=before)),
        erased_at__isnull=True,
        created_at__lt=before,
        updated_at__lt=before,
    )
    if kind == Kind.UNREACHED:
        met = Q(contacted_at__isnull=False) | Q(last_contact_at__isnull=False) | Q(handed_over_at__isnull=False)
        return contacts.exclude(Exists(leads.filter(met)))
    must, may = {
        Kind.REMOVED: ([Stage.REMOVED], [Stage.REMOVED]),
        Kind.WARM: ([Stage.WARM], [Stage.WARM, *_LEFT]),
        Kind.LOST: ([Stage.LOST, Stage.RETURNED], _LEFT),
    }[kind]
    return contacts.filter(Exists(leads.filter(stage__in=must))).exclude(Exists(leads.exclude(stage__in=may)))


def today(at: datetime.datetime) -> datetime.date:
    return at.astimezone(Organisation.current().tzinfo).date()


@transaction.atomic
def set_rule(
    kind: Kind, days: int | None, starts_on: datetime.date | None, *, by: User | None, at: datetime.datetime
) -> RetentionRule:
    """Keep data of this kind for `days`; None: for ever. A limit that is new or shorter acts from tomorrow at the earliest.

    Raises NotAllowed, and Refused for a limit out of range or a day that is too early.
    """
    if not access.may(by, access.SET_RETENTION):
        raise NotAllowed(_("Only the director or an administrator decides how long data is kept."))
    rule, _is_new = RetentionRule.objects.select_for_update().get_or_create(kind=kind)
    if days is None:
        rule.days, rule.starts_on = None, None
        rule.save()
        return rule
    if not LEAST_DAYS[kind] <= days <= MOST_DAYS:
        raise Refused(_("Keep it for at least %(days)s days.") % {"days": LEAST_DAYS[kind]})
    tomorrow = today(at) + datetime.timedelta(days=1)
    is_shorter = rule.days is None or days < rule.days
    moved = starts_on is not None and starts_on != rule.starts_on
    if (moved or is_shorter) and starts_on is not None and starts_on < tomorrow:
        raise Refused(_("Choose tomorrow or later, so that everybody can look at whom it reaches before it acts."))
    if starts_on is not None:
        rule.starts_on = starts_on
    elif is_shorter or rule.starts_on is None:
        rule.starts_on = tomorrow
    rule.days = days
    rule.save()
    return rule


def apply(at: datetime.datetime) -> bool:
    """Do what the rules that are in force say, as much as one run may. True when nothing is left to do.

    Each person is looked at once more under lock, and erased in a transaction of their own: killed midway, or run
    twice at once, it goes on where it was.
    """
    on, is_done = today(at), True
    for rule in RetentionRule.objects.filter(days__isnull=False, starts_on__lte=on).order_by("pk"):
        if rule.days is None:
            continue
        kind = Kind(rule.kind)
        is_done &= _erase_persons(kind, rule.days, at) if is_of_persons(kind) else _clear(kind, rule.days, at)
    return is_done


def _erase_persons(kind: Kind, days: int, at: datetime.datetime) -> bool:
    found = list(reached(kind, days, at).order_by("pk").values_list("pk", flat=True)[: MOST_PERSONS_A_RUN + 1])
    for pk in found[:MOST_PERSONS_A_RUN]:
        with transaction.atomic():
            Organisation.objects.select_for_update().get_or_create(pk=1)  # first, as whoever erases and registers does
            contact = Contact.objects.select_for_update().get(pk=pk)
            if reached(kind, days, at).filter(pk=pk).exists():  # nothing new has come meanwhile
                erase(contact, Erasure.Cause.RETENTION, by=None, at=at)
    return len(found) <= MOST_PERSONS_A_RUN


def _clear(kind: Kind, days: int, at: datetime.datetime) -> bool:
    rows = reached(kind, days, at).order_by("pk")
    for _batch in range(MOST_ROWS_A_RUN // ROWS_AT_ONCE):
        with transaction.atomic():
            found = list(rows.values_list("pk", flat=True)[:ROWS_AT_ONCE])
            if kind == Kind.SPAM:
                Answer.objects.filter(submission__in=found).delete()
                held_back = Submission.objects.filter(pk__in=found, lead__isnull=True)
                held_back.filter(verdict=Submission.Verdict.SUSPECT).update(
                    verdict=Submission.Verdict.SPAM, decided_at=at
                )
                held_back.update(person={})
            else:
                mails = OutboxMessage.objects.filter(pk__in=found)
                ids = set(mails.values_list("message_id", flat=True))
                transaction.on_commit(functools.partial(forget_files, ids), robust=True)
                mails.update(recipients=[], subject="", text="", html="", headers={}, last_error="")
        if len(found) < ROWS_AT_ONCE:
            return True
    return False
