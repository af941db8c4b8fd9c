"""Questionnaires: what a question may decide."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

# Where a question may write its answer: fields of the contact, of its company, and of the lead.
CONTACT_FIELDS: dict[str, str | Promise] = {
    "name": pgettext_lazy("person", "Name"),
    "email": _("E-mail"),
    "phone": _("Phone"),
    "company": _("Company"),
    "job_title": _("Position"),
    "profile_url": _("Profile link"),
    "company.industry": _("Industry"),
    "company.city": _("City"),
    "company.country": _("Country"),
    "company.employees": _("Employees"),
    "preferred_meeting_time": _("Preferred time"),
    "agreed": _("Agreed next step"),
    "note": _("Note"),
}
