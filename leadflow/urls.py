from django.urls import include, path

urlpatterns = [
    path("", include("accounts.urls")),
    path("", include("leads.urls")),
    path("", include("pipeline.urls")),
    path("kpi/", include("kpi.urls")),
    path("api/v1/", include("leadflow.api")),
]
