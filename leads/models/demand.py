"""What we can't solve: partners who can, leads referred to them, and what is asked for and not sold."""

from decimal import Decimal

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from leads.models.leads import Lead
from leads.normalise import fold, validate_text


class PartnerQuerySet(models.QuerySet["Partner"]):
    def visible_to(self, user: User) -> "PartnerQuerySet":
        return self if user.is_active else self.none()


class Partner(models.Model):
    """A company that solves what we don't."""

    name = models.CharField(_("name"), max_length=200, validators=[validate_text])
    services = models.TextField(
        _("services"), max_length=2000, blank=True, validators=[validate_text], help_text=_("What they solve.")
    )
    contact_name = models.CharField(_("contact person"), max_length=200, blank=True, validators=[validate_text])
    email = models.EmailField(_("e-mail"), max_length=254, blank=True)
    phone = models.CharField(_("phone"), max_length=50, blank=True, validators=[validate_text])
    website = models.URLField(_("website"), max_length=300, blank=True)
    reward_terms = models.CharField(
        _("agreed reward"),
        max_length=300,
        blank=True,
        validators=[validate_text],
        help_text=_("Who pays whom for a referral, and how much."),
    )
    is_active = models.BooleanField(_("in use"), default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = PartnerQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                Lower("name"),
                name="partner_name_is_unique",
                violation_error_message=_("There is a partner of this name already."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class ReferralQuerySet(models.QuerySet["Referral"]):
    def visible_to(self, user: User) -> "ReferralQuerySet":
        return self if user.is_active else self.none()

    def open(self) -> "ReferralQuerySet":
        return self.filter(outcome=Referral.Outcome.OPEN)


class Referral(models.Model):
    """A lead passed to a partner, with what was passed, and what came back."""

    class Outcome(models.TextChoices):
        OPEN = "open", pgettext_lazy("referral", "open")
        WON = "won", _("they solved it")
        LOST = "lost", _("nothing came of it")
        RETURNED = "returned", _("came back to us")

    class Reward(models.TextChoices):
        NONE = "", _("none")
        IN = "in", _("they pay us")
        OUT = "out", _("we pay them")

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="referrals")
    partner = models.ForeignKey(Partner, verbose_name=_("partner"), on_delete=models.PROTECT, related_name="referrals")
    referred_at = models.DateTimeField(_("referred"))
    referred_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    passed = models.JSONField(_("what was passed"), default=list)
    note = models.TextField(_("note to the partner"), max_length=5000, blank=True, validators=[validate_text])
    outcome = models.CharField(_("outcome"), max_length=8, choices=Outcome.choices, default=Outcome.OPEN)
    outcome_at = models.DateTimeField(null=True, blank=True)
    outcome_note = models.TextField(_("what came of it"), max_length=5000, blank=True, validators=[validate_text])
    reward = models.CharField(_("reward"), max_length=3, choices=Reward.choices, blank=True, default="")
    reward_amount = models.DecimalField(
        _("amount"),
        max_digits=14,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.01"))],
    )

    objects = ReferralQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lead"], condition=Q(outcome="open"), name="one_open_referral_of_a_lead"),
            models.CheckConstraint(
                condition=Q(outcome="open", outcome_at__isnull=True)
                | (~Q(outcome="open") & Q(outcome_at__isnull=False)),
                name="referral_outcome_has_a_date",
            ),
        ]
        indexes = [models.Index(fields=["-referred_at", "-id"], name="referral_by_date")]

    def __str__(self) -> str:
        return f"{self.lead} → {self.partner}"


class UnmetDemand(models.Model):
    """Something that leads ask for and that we don't sell. Requests of the same name count together."""

    name = models.CharField(_("what is asked for"), max_length=150, validators=[validate_text])
    folded_name = models.CharField(max_length=300, unique=True, editable=False)
    answered_at = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(
        _("what we decided"),
        max_length=300,
        blank=True,
        validators=[validate_text],
        help_text=_("For instance: we will sell it from autumn, or we won't."),
    )

    class Meta:
        verbose_name = _("unmet demand")

    def __str__(self) -> str:
        return self.name

    def save(self, *args, **kwargs) -> None:
        self.folded_name = fold(self.name)[:300]
        super().save(*args, **kwargs)


class DemandRequest(models.Model):
    """One lead's request for something that we don't sell."""

    demand = models.ForeignKey(UnmetDemand, on_delete=models.CASCADE, related_name="requests")
    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="demand_requests")
    at = models.DateTimeField(_("when"))
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    note = models.CharField(_("in their words"), max_length=500, blank=True, validators=[validate_text])

    class Meta:
        constraints = [models.UniqueConstraint(fields=["demand", "lead"], name="a_lead_asks_once")]
        indexes = [models.Index(fields=["demand", "-at"], name="demand_by_date")]

    def __str__(self) -> str:
        return str(self.demand)
