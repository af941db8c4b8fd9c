from django.urls import path

from kpi import views

app_name = "kpi"

urlpatterns = [
    path("", views.funnel, name="funnel"),
    path("channels/", views.channels, name="channels"),
    path("sla/", views.sla, name="sla"),
    path("reckon/", views.reckon, name="reckon"),
]
