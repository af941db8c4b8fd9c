"""Who of sales gets a lead: rules in order, what each rep takes, and who is away."""

import datetime

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation, Team
from leads.models import Channel, Product
from leads.normalise import fold, validate_text
from pipeline.sla import is_office_time, is_working_day


class Takes(models.TextChoices):
    """Hunters win new clients, farmers look after those we have."""

    HUNTER = "hunter", _("new contacts (hunter)")
    FARMER = "farmer", _("existing clients (farmer)")
    BOTH = "both", _("both")


class RoutingRule(models.Model):
    """Which leads go to whom. Rules are tried in order; the first whose conditions hold and who has somebody free decides.

    Of several conditions all must hold; an empty one holds for every lead.
    """

    class Client(models.TextChoices):
        ANY = "any", _("any")
        NEW = "new", _("new contact")
        EXISTING = "existing", _("existing client")

    class To(models.TextChoices):
        OWNER = "owner", _("the client's owner")
        PERSON = "person", _("one person")
        TEAM = "team", _("a team")
        ANYONE = "anyone", _("all of sales")

    class Order(models.TextChoices):
        LEAST_RECENT = "least_recent", _("who has waited longest")
        LEAST_LOADED = "least_loaded", _("who has the fewest open leads")

    name = models.CharField(_("name"), max_length=150, unique=True, validators=[validate_text])
    position = models.PositiveSmallIntegerField(default=0)
    is_active = models.BooleanField(_("in use"), default=True)
    products = models.ManyToManyField(Product, verbose_name=_("products"), blank=True, related_name="+")
    channels = models.ManyToManyField(Channel, verbose_name=_("channels"), blank=True, related_name="+")
    regions = models.CharField(
        _("regions"),
        max_length=500,
        blank=True,
        validators=[validate_text],
        help_text=_("Countries or cities of the company, separated by commas."),
    )
    client = models.CharField(_("client"), max_length=8, choices=Client.choices, default=Client.ANY)
    in_office_hours = models.BooleanField(_("only in office hours"), default=False)
    to = models.CharField(_("goes to"), max_length=8, choices=To.choices, default=To.ANYONE)
    team = models.ForeignKey(
        Team, verbose_name=_("team"), null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("person"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    takes = models.CharField(_("who takes"), max_length=6, choices=Takes.choices, default=Takes.BOTH)
    order = models.CharField(_("of those"), max_length=12, choices=Order.choices, default=Order.LEAST_RECENT)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(to="team", team__isnull=False)
                | Q(to="person", person__isnull=False)
                | Q(to__in=["owner", "anyone"]),
                name="rule_names_its_target",
            )
        ]

    def __str__(self) -> str:
        return gettext(self.name) if self.name else ""

    @property
    def folded_regions(self) -> frozenset[str]:
        """Countries and cities that the rule is for, folded as they are compared; none: any."""
        return frozenset(region for each in self.regions.split(",") if (region := fold(each)))

    @property
    def asks_for_client(self) -> bool:
        """Whether it matters to the rule who is a client already."""
        return self.client != self.Client.ANY or self.to == self.To.OWNER


class SalesProfile(models.Model):
    """What one of sales takes, and how much. Who has none takes everything, without a limit."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sales_profile")
    is_receiving = models.BooleanField(
        _("gets leads by the rules"), default=True, help_text=_("By hand, leads can be given to them in any case.")
    )
    takes = models.CharField(_("takes"), max_length=6, choices=Takes.choices, default=Takes.BOTH)
    max_open = models.PositiveSmallIntegerField(
        _("open leads at most"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    max_in_30_days = models.PositiveSmallIntegerField(
        _("leads in 30 days at most"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    works_from = models.TimeField(_("works from"), null=True, blank=True, help_text=_("Empty: the office hours."))
    works_until = models.TimeField(_("until"), null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(works_from__isnull=True, works_until__isnull=True) | Q(works_until__gt=F("works_from")),
                name="work_ends_after_it_begins",
                violation_error_message=_("Give both times, the end after the beginning."),
            )
        ]

    def __str__(self) -> str:
        return str(self.user)

    def is_at_work(self, at: datetime.datetime, organisation: Organisation) -> bool:
        """Whether they work at that moment: by the clock on their own wall, else by the office hours."""
        if self.works_from is None or self.works_until is None:
            return is_office_time(at, organisation)
        local = at.astimezone(self.user.tzinfo)
        is_day = is_working_day(local.date(), organisation.country)
        return is_day and self.works_from <= local.time() < self.works_until


class AbsenceQuerySet(models.QuerySet["Absence"]):
    def between(self, first: datetime.date, last: datetime.date) -> "AbsenceQuerySet":
        """Those of which at least one day is among these, the first and the last included."""
        return self.filter(ends_on__gte=first, starts_on__lte=last)


class Absence(models.Model):
    """Days on which somebody is away, the last one included; who does their work meanwhile, if anybody."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("who"), on_delete=models.CASCADE, related_name="absences"
    )
    starts_on = models.DateField(_("from"))
    ends_on = models.DateField(_("until and including"))
    deputy = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("deputy"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    note = models.CharField(_("note"), max_length=200, blank=True, validators=[validate_text])
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    objects = AbsenceQuerySet.as_manager()

    class Meta:
        ordering = ["-starts_on", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_on__gte=F("starts_on")),
                name="absence_ends_after_it_begins",
                violation_error_message=_("The last day can't be before the first."),
            ),
            models.CheckConstraint(
                condition=Q(deputy__isnull=True) | ~Q(deputy=F("user")),
                name="deputy_is_another",
                violation_error_message=_("Nobody can be their own deputy."),
            ),
        ]
        indexes = [models.Index(fields=["ends_on"], name="absence_end")]

    def __str__(self) -> str:
        return f"{self.user}, {self.starts_on} – {self.ends_on}"

    def covers(self, day: datetime.date) -> bool:
        return self.starts_on <= day <= self.ends_on
