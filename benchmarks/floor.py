"""What the least possible page costs here: the same rows, the session and the user, and nothing of LeadFlow's own.

These addresses replace LeadFlow's while a floor is measured; nothing else ever serves them.
"""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import engines
from django.urls import path

from leads.models import Lead

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]

_TABLE = engines["django"].from_string("""<!doctype html><title>Leads</title><table>{% for lead in leads %}<tr><td><a href="/leads/{{ lead.pk }}/">
{{ lead.contact.name }}</a><td>{{ lead.contact.company.name }}<td>{{ lead.get_stage_display }}<td>{{ lead.campaign.name }}
<td>{{ lead.owner.name }}<td>{{ lead.registered_at|date }}</tr>{% endfor %}</table>""")


def _fifty():
    return Lead.objects.select_related("contact__company", "campaign", "owner").order_by("-pk")[:50]


@login_required
def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(_TABLE.render({"leads": _fifty()}, request))


@login_required
def json(request: HttpRequest) -> HttpResponse:
    names = ["id", "contact_id", "campaign_id", "stage", "note", "registered_at", "updated_at"]
    return JsonResponse(
        {"results": [{name: getattr(lead, name) for name in names} | {"name": lead.contact.name} for lead in _fifty()]}
    )


@login_required
def row(request: HttpRequest, pk: int) -> HttpResponse:
    lead = Lead.objects.select_related("contact").get(pk=pk)
    return JsonResponse({"id": lead.pk, "name": lead.contact.name, "stage": lead.stage})


urlpatterns = [path("page/", page), path("json/", json), path("row/<int:pk>/", row)]
