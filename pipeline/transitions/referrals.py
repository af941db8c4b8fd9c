"""Passing a lead that we can't help to a partner, and what comes back."""

import datetime
from decimal import Decimal

from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from accounts import access
from accounts.models import Organisation, User
from leads import consents
from leads.erasures import require_present
from leads.models import Lead, LeadEvent, Partner, Purpose, Referral, Stage
from pipeline.transitions.rules import Kind, TransitionError, lock, move, require, who_and_when

# What may be passed on. The personal ones only with the person's consent.
FACTS = {
    "name": pgettext_lazy("person", "Name"),
    "job_title": gettext_lazy("Position"),
    "company": gettext_lazy("Company"),
    "phone": gettext_lazy("Phone"),
    "email": gettext_lazy("E-mail"),
    "brief": gettext_lazy("Brief"),
    "preferred_meeting_time": gettext_lazy("Preferred meeting time"),
}
PERSONAL = {"name", "job_title", "phone", "email"}


@transaction.atomic
def refer(
    lead: Lead,
    partner: Partner,
    *,
    passed: list[str],
    by: User | None,
    at: datetime.datetime,
    note: str = "",
    by_mail: bool = False,
) -> Referral:
    """Pass `lead` to `partner`, `by_mail` in the same breath. Personal facts need the person's consent to sharing.

    `passed` are names of FACTS; the values stay where they are, so that erasing the person erases them everywhere.
    """
    require(by, access.REFER_LEADS, _("Only marketing refers leads to partners."))
    return hand_to_partner(lock(lead), partner, passed=passed, by=by, at=at, note=note, by_mail=by_mail)


def hand_to_partner(
    lead: Lead,
    partner: Partner,
    *,
    passed: list[str],
    by: User | None,
    at: datetime.datetime,
    note: str,
    by_mail: bool,
) -> Referral:
    """What `refer` does with a locked lead, for steps that let others than marketing do it and have asked who may."""
    require_present(lead.contact)
    if not partner.is_active:
        raise TransitionError(_("%(partner)s is not in use any more.") % {"partner": partner})
    unknown = set(passed) - set(FACTS)
    if unknown or not passed:
        raise TransitionError(_("Choose what is passed on."))
    if by_mail and not partner.email:
        raise TransitionError(_("%(partner)s has no e-mail address.") % {"partner": partner})
    if PERSONAL & set(passed) and not consents.agreed(lead.contact, Purpose.SHARING):
        raise TransitionError(
            _("%(lead)s hasn't agreed that personal data are passed on. Ask first, and record the consent.")
            % {"lead": lead}
        )
    move(lead, Stage.REFERRED, Kind.REFERRED, by=by, at=at, partner=partner.name, note=note, by_mail=by_mail)
    referral = Referral.objects.create(
        lead=lead,
        partner=partner,
        referred_at=at,
        referred_by=by,
        passed=[fact for fact in FACTS if fact in passed],
        note=note,
    )
    if by_mail:
        organisation = Organisation.current()
        with translation.override(organisation.language):
            text = render_to_string(
                "mail/referral.txt",
                {"referral": referral, "facts": passed_on(referral), "organisation": organisation, "by": by},
            )
            send_mail(_("%(us)s refers a client to you") % {"us": organisation}, text, None, [partner.email])
    return referral


def passed_on(referral: Referral) -> list[tuple[str, str]]:
    """(label, value) of what was passed, as it is known now; what is blank is left out."""
    lead, contact = referral.lead, referral.lead.contact
    values = {
        "name": contact.name,
        "job_title": contact.job_title,
        "company": str(contact.company or ""),
        "phone": contact.shown_phone,
        "email": contact.email,
        "brief": lead.brief,
        "preferred_meeting_time": lead.preferred_meeting_time,
    }
    return [(str(FACTS[fact]), values[fact]) for fact in referral.passed if fact in FACTS and values[fact]]


@transaction.atomic
def close_referral(
    referral: Referral,
    outcome: Referral.Outcome,
    *,
    by: User | None,
    at: datetime.datetime,
    note: str = "",
    reward: Referral.Reward | str = "",
    reward_amount: Decimal | None = None,
) -> None:
    """Record what came of it. A lead that came back is kept warm again, unless somebody has moved it on meanwhile."""
    require(by, access.REFER_LEADS, _("Only marketing records what partners answer."))
    lead = lock(referral.lead)
    referral = Referral.objects.select_for_update(of=("self",)).select_related("partner").get(pk=referral.pk)
    outcome = Referral.Outcome(outcome)
    if outcome == Referral.Outcome.OPEN:
        raise TransitionError(_("Choose what came of it."))
    if referral.outcome != Referral.Outcome.OPEN:
        raise TransitionError(
            _("This was answered already: %(outcome)s. %(who)s")
            % {"outcome": referral.get_outcome_display(), "who": who_and_when(lead)}
        )
    referral.outcome, referral.outcome_at, referral.outcome_note = outcome, at, note
    referral.reward = Referral.Reward(reward)
    referral.reward_amount = reward_amount if reward else None
    referral.save()
    LeadEvent.objects.record(
        lead,
        Kind.REFERRAL_CLOSED,
        by=by,
        at=at,
        partner=referral.partner.name,
        outcome=str(outcome),
        note=note,
    )
    if outcome == Referral.Outcome.RETURNED and lead.stage == Stage.REFERRED:
        move(lead, Stage.WARM, Kind.WARM, by=by, at=at)
