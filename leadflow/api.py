"""The REST API's addresses. What stands behind them is in each app's `api.py`, what they share in `leadflow.rest`."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from accounts.api import TokenView
from kpi.api import MetricsView
from leads import api as leads_api
from pipeline import api as pipeline_api
from pipeline import deals_api


class ApiReferenceView(SpectacularSwaggerSplitView):
    template_name = "api_reference.html"  # the library's, less its inline style
    authentication_classes: list = []
    permission_classes: list = []


class ApiSchemaView(SpectacularAPIView):
    authentication_classes: list = []
    permission_classes: list = []


router = SimpleRouter()
router.register("contacts", leads_api.ContactViewSet, basename="contact")
router.register("companies", leads_api.CompanyViewSet, basename="company")
router.register("campaigns", leads_api.CampaignViewSet, basename="campaign")
router.register("expenses", leads_api.ExpenseViewSet, basename="expense")
router.register("leads", pipeline_api.LeadViewSet, basename="lead")
router.register("handoffs", pipeline_api.HandoffViewSet, basename="handoff")
router.register("opportunities", deals_api.OpportunityViewSet, basename="opportunity")

app_name = "api"

urlpatterns = [
    path("", include(router.urls)),
    path("tokens/", TokenView.as_view(), name="tokens"),
    path("metrics/", MetricsView.as_view(), name="metrics"),
    path("schema/", ApiSchemaView.as_view(), name="schema"),
    path("docs/", ApiReferenceView.as_view(url_name="api:schema"), name="docs"),
]
