"""Signing in (hand-picked from allauth: no sign-up, no second addresses), one's own pages, and settings of people."""

from allauth.account import views as allauth_views
from django.urls import include, path, re_path
from django.views.decorators.http import require_http_methods, require_safe
from django.views.generic import RedirectView

from accounts import views

form = require_http_methods(["GET", "HEAD", "POST"])

# allauth looks these names up without a namespace.
sign_in_patterns = [
    path("sign-in/", form(views.sign_in), name="account_login"),
    path("sign-out/", form(allauth_views.logout), name="account_logout"),
    # Accounts are made by an administrator. The library only needs the name.
    path("sign-up/", require_safe(RedirectView.as_view(pattern_name="account_login")), name="account_signup"),
    path("switched-off/", require_safe(allauth_views.account_inactive), name="account_inactive"),
    path("password/change/", form(allauth_views.password_change), name="account_change_password"),
    path("password/reset/", form(allauth_views.password_reset), name="account_reset_password"),
    path("password/reset/sent/", require_safe(allauth_views.password_reset_done), name="account_reset_password_done"),
    path(
        "password/reset/done/",
        require_safe(allauth_views.password_reset_from_key_done),
        name="account_reset_password_from_key_done",
    ),
    re_path(
        r"^password/reset/(?P<uidb36>[0-9A-Za-z]{1,13})-(?P<key>[0-9A-Za-z-]{1,100})/$",
        form(allauth_views.password_reset_from_key),
        name="account_reset_password_from_key",
    ),
    path("language/", views.set_language, name="set_language"),
]

page_patterns = [
    path("welcome/", views.first_run, name="first_run"),
    path("profile/", views.profile, name="profile"),
    path("profile/tokens/", views.token_list, name="token_list"),
    path("profile/tokens/add/", views.token_add, name="token_add"),
    path("profile/tokens/<slug:token_key>/revoke/", views.token_revoke, name="token_revoke"),
    path("settings/", views.settings_index, name="settings"),
    path("settings/organisation/", views.organisation, name="organisation"),
    path("settings/users/", views.user_list, name="user_list"),
    path("settings/users/add/", views.user_add, name="user_add"),
    path("settings/users/<int:pk>/", views.user_edit, name="user_edit"),
    path("settings/teams/", views.team_list, name="team_list"),
    path("settings/teams/add/", views.team_add, name="team_add"),
    path("settings/teams/<int:pk>/", views.team_edit, name="team_edit"),
]

urlpatterns = [*sign_in_patterns, path("", include((page_patterns, "accounts")))]
