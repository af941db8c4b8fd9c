from django.urls import path

from leads.views import leads

app_name = "leads"

urlpatterns = [
    path("leads/<int:pk>/", leads.lead_detail, name="lead_detail"),
]
