"""The list that is seen, as a file."""

import itertools
import tempfile
from collections.abc import Iterable, Iterator

from django.db.models import OuterRef, Subquery
from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts import access
from leads.forms.leads import LeadFilter
from leads.models import Channel, Consent, Lead, Stage
from leads.models.consents import Purpose
from leads.models.contacts import WAYS_TO_REACH
from leads.models.leads import FUNNEL, LeadQuerySet
from leads.spreadsheet import csv_lines
from leads.xlsx import CONTENT_TYPE, write_xlsx

# name of the column in the file, path from the lead
COLUMNS = [
    ("id", "pk"),
    ("name", "contact__name"),
    ("job_title", "contact__job_title"),
    ("company", "contact__company__name"),
    ("email", "contact__email"),
    ("phone", "contact__phone"),
    ("phone_as_typed", "contact__phone_as_typed"),
    ("profile_url", "contact__profile_url"),
    ("do_not_contact", "contact__do_not_contact"),
    ("consent_at", "consent_at"),
    ("stage", "stage"),
    ("campaign", "campaign__name"),
    ("channel", "campaign__channel"),
    ("product", "product__name"),
    ("owner", "owner__email"),
    ("met_on", "met_on"),
    ("preferred_meeting_time", "preferred_meeting_time"),
    ("note", "note"),
    ("brief", "brief"),
    ("utm_source", "utm_source"),
    ("utm_medium", "utm_medium"),
    ("utm_campaign", "utm_campaign"),
    ("utm_term", "utm_term"),
    ("utm_content", "utm_content"),
    *((stage.reached_field, stage.reached_field) for stage in [*FUNNEL, Stage.LOST]),
]


@access.only_for(access.EXPORT)
@require_safe
def lead_export(request: HttpRequest) -> HttpResponseBase:
    """Every lead that the same address shows as a list, in its order, as CSV. Half a million rows pass without being kept."""
    filters = LeadFilter.read(request.GET)
    leads = filters.apply(Lead.objects.visible_to(request.user)).order_by(*filters.order)
    return table_file("csv", "leads", _("Leads"), [name for name, _path in COLUMNS], _rows(leads))


def _rows(leads: LeadQuerySet) -> Iterator[list]:
    channels = {channel.pk: str(channel) for channel in Channel.objects.all()}
    names = [name for name, _path in COLUMNS]
    at, not_to_contact = names.index("channel"), names.index("do_not_contact")
    hidden = [place for place, name in enumerate(names) if name in WAYS_TO_REACH]
    agreed = Consent.objects.valid().filter(contact=OuterRef("contact"), purpose=Purpose.CONTACT)
    leads = leads.annotate(consent_at=Subquery(agreed.values("given_at")[:1]))
    for row in leads.values_list(*(path for _name, path in COLUMNS)).iterator(chunk_size=2000):
        cells = list(row)
        cells[at] = channels[cells[at]]
        if cells[not_to_contact]:
            for place in hidden:
                cells[place] = ""
        yield cells


def table_file(kind: str, name: str, title: str, header: list[str], rows: Iterable[list]) -> HttpResponseBase:
    """A table as a file to download, `kind` being csv or xlsx. CSV is sent while it is written."""
    filename = f"{slugify(name)[:60] or 'table'}-{timezone.localdate():%Y-%m-%d}.{kind}"
    if kind == "csv":
        return StreamingHttpResponse(
            csv_lines(itertools.chain([header], rows)),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{filename}"'},
        )
    file = tempfile.TemporaryFile()  # noqa: SIM115 (the response closes it)
    write_xlsx(file, title, header, rows)
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=filename, content_type=CONTENT_TYPE)
