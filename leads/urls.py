from django.urls import path

from leads import views

app_name = "leads"

urlpatterns = [
    path("leads/<int:pk>/", views.lead_detail, name="lead_detail"),
]
