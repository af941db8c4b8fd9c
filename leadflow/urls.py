from django.urls import include, path

from leadflow import health

urlpatterns = [
    path("health/live", health.live, name="health_live"),
    path("health/ready", health.ready, name="health_ready"),
    path("", include("accounts.urls")),
    path("", include("leads.urls")),
    path("", include("pipeline.urls")),
    path("kpi/", include("kpi.urls")),
]
