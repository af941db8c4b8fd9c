"""What things add up to, per day: derived from the rows below, and rebuilt from them at any time."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from leads.models import Campaign, Product


class FactQuerySet(models.QuerySet["Fact"]):
    def visible_to(self, user: User) -> "FactQuerySet":
        return self if user.is_active else self.none()


class Fact(models.Model):
    """How often `measure` happened on a day of the organisation, and what it added up to, in one place and by one person.

    `kpi.facts` says what each measure counts and is the only writer. The team follows from the person and the channel
    from the campaign when facts are read. References have no constraint in the database: facts are written by the
    million and hold nothing of their own.
    """

    day = models.DateField()
    measure = models.CharField(max_length=40)
    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    product = models.ForeignKey(
        Product, null=True, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.CASCADE,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    count = models.BigIntegerField()
    value = models.DecimalField(max_digits=20, decimal_places=2)

    objects = FactQuerySet.as_manager()

    class Meta:
        indexes = [
            # Covers every question asked of facts, so that a period is one range scan.
            models.Index(
                fields=["measure", "day", "campaign", "product", "person", "count", "value"], name="fact_period"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.measure}: {self.count}"


class Reckoning(models.Model):
    """Up to when the facts are reckoned. Its one row is also the lock that lets one recompute run at a time."""

    at = models.DateTimeField(_("reckoned at"), null=True)
    basis = models.CharField(max_length=200, default="")

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_reckoning")]

    def __str__(self) -> str:
        return f"{self.at}"
