"""Personal data in the demo: somebody who asked to be left alone, somebody erased, and a limit to be looked at."""

import datetime

from leads import consents
from leads.editing import edit_contact
from leads.models import Contact, Erasure, Purpose, RetentionRule, Stage
from pipeline.demo.company import Company
from pipeline.personal_data import erase
from pipeline.retention import set_rule


def add_personal_data(company: Company, at: datetime.datetime) -> None:
    """What a newcomer looks for on the contact page and in the settings."""
    dora, mia, day = company.users["Dora"], company.users["Mia"], datetime.timedelta(days=1)
    of_one_lead = Contact.objects.filter(leads__stage=Stage.WARM).exclude(leads__stage__in=set(Stage) - {Stage.WARM})
    quiet, withdrawn, erased = [*of_one_lead.order_by("-pk")[5:8], None, None, None][:3]
    if quiet is not None:
        edit_contact(quiet, {"do_not_contact": True}, by=mia, at=at - 2 * day)
    if withdrawn is not None:
        consents.withdraw(withdrawn, Purpose.MAILING, source="by phone", by=mia, at=at - 4 * day)
    if erased is not None:
        erase(erased, Erasure.Cause.REQUEST, by=dora, at=at - 6 * day, note="by letter, identity checked")
    set_rule(RetentionRule.Kind.LOST, 730, (at + 14 * day).date(), by=dora, at=at)
