"""The SLA that marketing and sales agreed on."""

import dataclasses
import datetime

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation
from leads.models import Channel
from leads.normalise import validate_text
from pipeline.sla import Clock, DayKind, due_at, moved

_DAYS = [MinValueValidator(1), MaxValueValidator(365)]
_LATER_DAYS = [MaxValueValidator(365)]


class AgreementQuerySet(models.QuerySet["Agreement"]):
    def in_force(self, at: datetime.datetime) -> "Agreement":
        """The version that handoffs made at that moment are judged by.

        Raises Agreement.DoesNotExist where none was agreed yet (`create_defaults` makes the first).
        """
        agreement = self.filter(in_force_at__lte=at).order_by("-in_force_at", "-version").first()
        if agreement is None:
            raise self.model.DoesNotExist("no agreement in force")
        return agreement


class Agreement(models.Model):
    """One version of the agreement. Never changed once in force: an edit makes the next version."""

    DayKind = DayKind

    version = models.PositiveIntegerField(_("version"), unique=True)
    first_contact_days = models.PositiveSmallIntegerField(_("days to the first contact"), default=7, validators=_DAYS)
    verdict_days = models.PositiveSmallIntegerField(_("days to the verdict"), default=14, validators=_DAYS)
    day_kind = models.CharField(_("counted in"), max_length=8, choices=DayKind.choices, default=DayKind.CALENDAR)
    remind_days = models.PositiveSmallIntegerField(_("remind this many days before"), default=2, validators=_LATER_DAYS)
    manager_days = models.PositiveSmallIntegerField(
        _("tell the manager this many days after"), default=1, validators=_LATER_DAYS
    )
    director_days = models.PositiveSmallIntegerField(
        _("tell the director this many days after"), default=3, validators=_LATER_DAYS
    )
    cold_days = models.PositiveSmallIntegerField(_("days without contact until cold"), default=14, validators=_DAYS)
    unreachable_attempts = models.PositiveSmallIntegerField(
        _("attempts on different days before “unreachable”"), default=3, validators=[MaxValueValidator(30)]
    )
    response_hours = models.PositiveSmallIntegerField(
        _("working hours to marketing's first contact"),
        default=8,
        validators=[MinValueValidator(1), MaxValueValidator(999)],
    )
    brief_hours = models.PositiveSmallIntegerField(
        _("working hours to the brief"),
        default=24,
        validators=[MinValueValidator(1), MaxValueValidator(999)],
    )
    max_pauses = models.PositiveSmallIntegerField(
        _("pauses of one handoff at most"), default=2, validators=[MaxValueValidator(20)]
    )
    max_pause_days = models.PositiveSmallIntegerField(_("days of one pause at most"), default=30, validators=_DAYS)
    restarts_on_reassign = models.BooleanField(
        _("the clocks start again when a lead is reassigned"),
        default=False,
        help_text=_("Usually not: the client has been waiting all the same."),
    )
    cold_to_pool = models.BooleanField(
        _("cold leads go back to the pool"), default=False, help_text=_("Then anybody of sales may take them.")
    )
    accepted_share = models.PositiveSmallIntegerField(
        _("share of handed-over leads that sales should accept, %"),
        default=70,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
    )
    recycle_days = models.PositiveSmallIntegerField(
        _("days after which lost and warm leads are asked again"), default=90, validators=_DAYS
    )
    note = models.CharField(_("what changed"), max_length=500, blank=True, validators=[validate_text])
    in_force_at = models.DateTimeField(_("in force from"), db_index=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    objects = AgreementQuerySet.as_manager()

    class Meta:
        ordering = ["-version"]

    def __str__(self) -> str:
        return gettext("Agreement, version %(version)s") % {"version": self.version}

    @property
    def alert_offsets(self) -> "dict[int, datetime.timedelta]":
        """How long after a clock is due each level of `Handoff.Alert` begins; a reminder begins before it."""
        return {
            1: -datetime.timedelta(days=self.remind_days),
            2: datetime.timedelta(),
            3: datetime.timedelta(days=self.manager_days),
            4: datetime.timedelta(days=self.director_days),
        }

    def terms_of(self, channel: int) -> "Terms":
        """What this version says of leads from the channel of that id: its own terms where it has some, else all's."""
        own = self._own_terms.get(channel)
        return Terms(
            {
                Clock.FIRST_CONTACT: (own and own.first_contact_days) or self.first_contact_days,
                Clock.VERDICT: (own and own.verdict_days) or self.verdict_days,
            },
            DayKind((own and own.day_kind) or self.day_kind),
        )

    @cached_property
    def _own_terms(self) -> "dict[int, ChannelTerms]":
        return {terms.channel_id: terms for terms in self.channel_terms.all()}

    def due_at(
        self, clock: Clock, start: datetime.datetime, *, channel: int, organisation: Organisation | None = None
    ) -> datetime.datetime:
        """When `clock`, started at `start` for a lead from the channel of that id, is due under this version.

        Give the organisation where many are reckoned.
        """
        terms = self.terms_of(channel)
        organisation = organisation or Organisation.current()
        return due_at(start, terms.days[clock], day_kind=terms.day_kind, organisation=organisation)

    def due_after_pause(
        self, due: datetime.datetime, *, start: datetime.datetime, until: datetime.datetime, channel: int
    ) -> datetime.datetime:
        """When a clock is due that was due at `due` and stood still from `start` to `until`, for a lead from a channel."""
        kind = self.terms_of(channel).day_kind
        return moved(due, start=start, until=until, day_kind=kind, organisation=Organisation.current())


@dataclasses.dataclass(frozen=True)
class Terms:
    """How long each clock runs, and what its days are."""

    days: dict[Clock, int]
    day_kind: DayKind


class ChannelTerms(models.Model):
    """What one version of the agreement says otherwise of leads from one channel. Empty: as for all."""

    agreement = models.ForeignKey(Agreement, on_delete=models.CASCADE, related_name="channel_terms")
    channel = models.ForeignKey(Channel, verbose_name=_("channel"), on_delete=models.PROTECT, related_name="+")
    first_contact_days = models.PositiveSmallIntegerField(
        _("days to the first contact"), null=True, blank=True, validators=_DAYS
    )
    verdict_days = models.PositiveSmallIntegerField(_("days to the verdict"), null=True, blank=True, validators=_DAYS)
    day_kind = models.CharField(
        _("counted in"), max_length=8, choices=Agreement.DayKind.choices, blank=True, default=""
    )

    class Meta:
        ordering = ["channel__name"]
        constraints = [models.UniqueConstraint(fields=["agreement", "channel"], name="one_set_of_terms_per_channel")]
