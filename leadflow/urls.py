from django.urls import include, path

handler404 = "leadflow.rest.not_found"

urlpatterns = [
    path("", include("accounts.urls")),
    path("", include("leads.urls")),
    path("", include("pipeline.urls")),
    path("kpi/", include("kpi.urls")),
    path("api/v1/", include("leadflow.api")),
]
