from django.urls.resolvers import URLPattern

app_name = "kpi"

urlpatterns: list[URLPattern] = []
