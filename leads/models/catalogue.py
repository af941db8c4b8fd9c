"""What an administrator keeps in lists: channels, products and reasons."""

from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from leads.models.money import in_cents
from leads.normalise import validate_text


class Channel(models.Model):
    """A marketing instrument, such as an exhibition, SEO or referral."""

    class Audience(models.TextChoices):
        MASS = "mass", _("mass")
        TARGETED = "targeted", _("targeted")

    name = models.CharField(_("name"), max_length=100, validators=[validate_text])
    audience = models.CharField(_("audience"), max_length=10, choices=Audience.choices, default=Audience.MASS)
    is_event = models.BooleanField(
        _("is an event"), default=False, help_text=_("Its campaigns are met in person and have a stand page.")
    )
    is_active = models.BooleanField(_("in use"), default=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                Lower("name"),
                name="channel_name_is_unique",
                violation_error_message=_("There is a channel of this name already."),
            )
        ]

    def __str__(self) -> str:
        return gettext(self.name) if self.name else ""


class Product(models.Model):
    """An item of the portfolio."""

    name = models.CharField(_("name"), max_length=150, validators=[validate_text])
    cost_share = models.DecimalField(
        _("cost share"),
        max_digits=5,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1))],
        help_text=_("Cost of sales as a part of the price, 0 to 1: 0.4 means that 40 of every 100 are cost."),
    )
    is_active = models.BooleanField(_("in use"), default=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                Lower("name"),
                name="product_name_is_unique",
                violation_error_message=_("There is a product of this name already."),
            ),
            models.CheckConstraint(
                condition=Q(cost_share__isnull=True) | Q(cost_share__gte=0, cost_share__lte=1),
                name="cost_share_is_a_share",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def cost_of(self, amount: Decimal | None) -> Decimal | None:
        """Cost of sales of `amount`, in the same currency; None when the share isn't known."""
        if amount is None or self.cost_share is None:
            return None
        return in_cents(amount * self.cost_share)


class ReasonQuerySet(models.QuerySet["Reason"]):
    def offered(self, kind: "Reason.Kind") -> "ReasonQuerySet":
        return self.filter(kind=kind, is_active=True)

    @transaction.atomic
    def move(self, reason: "Reason", step: int) -> None:
        """Put `reason` `step` places further down in its list (up when negative), and number the list anew."""
        entries: list[Reason] = list(self.select_for_update().filter(kind=reason.kind))
        place = next(index for index, entry in enumerate(entries) if entry.pk == reason.pk)
        entries.insert(max(0, place + step), entries.pop(place))
        for position, entry in enumerate(entries):
            entry.position = position
        Reason.objects.bulk_update(entries, ["position"])


class Reason(models.Model):
    """An entry of a kept list of reasons: why a lead is rejected, lost or removed."""

    class Kind(models.TextChoices):
        REJECTION = "rejection", _("rejection (sales returns a lead)")
        LOSS = "loss", _("loss (an opportunity ends without a sale)")
        REMOVAL = "removal", _("removal (a lead is taken out)")

    class Evidence(models.TextChoices):
        """What has to be shown, beside the feedback, when a lead is refused for this reason."""

        NONE = "", _("nothing more")
        ATTEMPTS = "attempts", _("attempts on different days")
        PERSON = "person", _("who said no")
        PRODUCT = "product", _("which product was wanted")
        CRITERION = "criterion", _("which criterion fails")

    class Recycle(models.TextChoices):
        """How somebody is asked again whose opportunity was lost for this reason."""

        CALL = "call", _("a call")
        OFFER = "offer", _("a special offer")
        NEVER = "never", _("not at all")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    text = models.CharField(_("reason"), max_length=150, validators=[validate_text])
    evidence = models.CharField(
        _("asks for"),
        max_length=9,
        choices=Evidence.choices,
        blank=True,
        default=Evidence.NONE,
        help_text=_("What sales has to show when it refuses a lead for this reason."),
    )
    recycle_days = models.PositiveSmallIntegerField(
        _("ask again after so many days"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(999)],
        help_text=_("Empty: as agreed for all."),
    )
    recycle_how = models.CharField(_("ask again by"), max_length=5, choices=Recycle.choices, default=Recycle.CALL)
    is_active = models.BooleanField(_("in use"), default=True)
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    objects = ReasonQuerySet.as_manager()

    class Meta:
        ordering = ["kind", "position", "pk"]
        constraints = [
            models.UniqueConstraint(
                "kind",
                Lower("text"),
                name="reason_is_unique_in_its_list",
                violation_error_message=_("This reason is in the list already."),
            )
        ]

    def __str__(self) -> str:
        return gettext(self.text) if self.text else ""
