"""Signing in, one's own pages, and settings → organisation, people, teams."""

from allauth.account import views as allauth_views
from allauth.account.adapter import get_adapter
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views import i18n
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import access
from accounts.forms import (
    ApiTokenForm,
    FirstRunForm,
    OrganisationSettingsForm,
    ProfileForm,
    TeamForm,
    UserFilterForm,
    UserForm,
)
from accounts.invitation import invite
from accounts.keyset import keyset_page
from accounts.models import ApiToken, Organisation, Role, Team, User
from accounts.saving import save_unless_taken

# --- Signing in ------------------------------------------------------------------------------------------------------


def sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in page; while nobody could let anybody in, the first-run page instead."""
    if not request.user.is_authenticated and not User.objects.administrators().exists():
        return redirect("accounts:first_run")
    return allauth_views.login(request)


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def first_run(request: HttpRequest) -> HttpResponse:
    """Set up an empty installation. As soon as an administrator exists, this page doesn't."""
    if User.objects.administrators().exists():
        raise Http404
    form = FirstRunForm(request.POST or None, instance=Organisation(pk=1))
    if request.method == "POST" and form.is_valid():
        administrator = form.create_administrator()
        if administrator is None:
            raise Http404
        get_adapter().login(request, administrator)
        messages.success(request, _("Welcome! Next, add your colleagues."))
        return redirect("accounts:user_list")
    return render(request, "accounts/first_run.html", {"form": form})


@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Switch the language: kept with the person, or in a cookie for somebody signed out."""
    language = request.POST.get("language")
    if request.user.is_authenticated and language in dict(settings.LANGUAGES):
        User.objects.filter(pk=request.user.pk).update(language=language)
    return i18n.set_language(request)


# --- One's own -------------------------------------------------------------------------------------------------------


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    # A copy: a refused name must not appear in the frame of the page that refuses it.
    form = ProfileForm(request.POST or None, instance=User.objects.get(pk=request.user.pk))
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Your profile is saved."))
        return redirect("accounts:profile")
    return render(request, "accounts/profile.html", {"form": form})


@login_required
@require_GET
def token_list(request: HttpRequest) -> HttpResponse:
    tokens = ApiToken.objects.visible_to(request.user).select_related("user")
    page = keyset_page(tokens, request.GET, order=("-created", "pk"))
    context = {"page": page, "everybodys": request.user.role == Role.ADMIN, "now": timezone.now()}
    return render(request, "accounts/token_list.html", context)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def token_add(request: HttpRequest) -> HttpResponse:
    form = ApiTokenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        token, secret = form.create(request.user)
        # Not a redirect: the secret is in this one answer and nowhere else.
        return render(request, "accounts/token_added.html", {"token": token, "secret": secret})
    return render(request, "accounts/token_form.html", {"form": form})


@login_required
@require_POST
def token_revoke(request: HttpRequest, token_key: str) -> HttpResponse:
    token = get_object_or_404(ApiToken.objects.visible_to(request.user), token_key=token_key)
    token.delete()
    messages.success(request, _("The token “%(token)s” no longer works.") % {"token": token})
    return redirect("accounts:token_list")


# --- Settings --------------------------------------------------------------------------------------------------------

# What can be set where, and by whom.
SETTINGS = (
    (
        gettext_lazy("Organisation"),
        (
            (
                "accounts:organisation",
                "building-office",
                gettext_lazy("Organisation"),
                gettext_lazy("Name, currency, country and time zone"),
                access.EDIT_ORGANISATION,
            ),
            (
                "accounts:user_list",
                "users",
                gettext_lazy("People"),
                gettext_lazy("Who may sign in, and in which role"),
                access.MANAGE_USERS,
            ),
            (
                "accounts:team_list",
                "user-group",
                gettext_lazy("Teams"),
                gettext_lazy("Who works together, and under which manager"),
                access.MANAGE_USERS,
            ),
        ),
    ),
    (
        gettext_lazy("Process"),
        (
            (
                "leads:criteria",
                "clipboard-document-check",
                gettext_lazy("Criteria"),
                gettext_lazy("What makes a lead worth handing to sales"),
                access.DECIDE_CRITERIA,
            ),
            (
                "leads:questionnaire_list",
                "clipboard-document-list",
                gettext_lazy("Questionnaires and briefs"),
                gettext_lazy("What visitors and leads are asked, and what the answers decide"),
                access.BUILD_QUESTIONNAIRES,
            ),
            (
                "pipeline:agreement",
                "clock",
                gettext_lazy("Agreement"),
                gettext_lazy("By when sales makes contact and decides, and who is told when not"),
                access.DECIDE_AGREEMENT,
            ),
            (
                "pipeline:pipeline_list",
                "view-columns",
                gettext_lazy("Sales pipelines"),
                gettext_lazy("Which stages a product's opportunities go through, and for how long"),
                access.EDIT_PIPELINES | access.EDIT_CATALOGUE,
            ),
            (
                "pipeline:routing_rules",
                "arrows-right-left",
                gettext_lazy("Routing"),
                gettext_lazy("Who of sales gets which lead, with a preview"),
                set(Role),
            ),
            (
                "pipeline:sales_people",
                "user-circle",
                gettext_lazy("Sales people"),
                gettext_lazy("What each of sales takes and how much, and who is away"),
                access.SELL,
            ),
        ),
    ),
    (
        gettext_lazy("Personal data"),
        (
            (
                "leads:consent_texts",
                "hand-raised",
                gettext_lazy("Consent texts"),
                gettext_lazy("The words that people agree to, for each purpose"),
                access.WRITE_CONSENT_TEXTS | access.EDIT_CATALOGUE,
            ),
            (
                "pipeline:retention",
                "archive-box-x-mark",
                gettext_lazy("How long data is kept"),
                gettext_lazy("After how long without anything new it is erased by itself"),
                access.SET_RETENTION | access.EDIT_CATALOGUE,
            ),
            (
                "pipeline:erasure_list",
                "eye-slash",
                gettext_lazy("Erased persons"),
                gettext_lazy("When whose data was erased and why, by number"),
                access.ERASE_PERSON | access.EDIT_CATALOGUE,
            ),
        ),
    ),
    (
        gettext_lazy("Lists"),
        (
            (
                "leads:channel_list",
                "megaphone",
                gettext_lazy("Channels"),
                gettext_lazy("Where leads come from"),
                access.EDIT_CATALOGUE,
            ),
            (
                "leads:product_list",
                "cube",
                gettext_lazy("Products"),
                gettext_lazy("What is sold, and what part of the price is cost"),
                access.EDIT_CATALOGUE,
            ),
            (
                "pipeline:rate_list",
                "currency-dollar",
                gettext_lazy("Exchange rates"),
                gettext_lazy("What other currencies are worth, by date"),
                set(Role),
            ),
            (
                "leads:reason_list",
                "list-bullet",
                gettext_lazy("Reasons"),
                gettext_lazy("Why a lead is rejected, lost or removed"),
                access.EDIT_CATALOGUE,
            ),
            (
                "pipeline:checklists",
                "clipboard-document-check",
                gettext_lazy("Checklists"),
                gettext_lazy("What a good call, meeting or presentation has"),
                access.EDIT_CHECKLISTS,
            ),
        ),
    ),
    (
        gettext_lazy("Machines"),
        (
            (
                "accounts:token_list",
                "key",
                gettext_lazy("API tokens"),
                gettext_lazy("Keys for programs that read and write here"),
                set(Role),
            ),
        ),
    ),
)


@login_required
@require_GET
def settings_index(request: HttpRequest) -> HttpResponse:
    areas = []
    for area, entries in SETTINGS:
        mine = [
            {"url": reverse(url_name), "icon": icon, "label": label, "text": text}
            for url_name, icon, label, text, roles in entries
            if access.may(request.user, roles)
        ]
        if mine:
            areas.append({"name": area, "entries": mine})
    return render(request, "accounts/settings.html", {"areas": areas})


@access.only_for(access.EDIT_ORGANISATION)
@require_http_methods(["GET", "HEAD", "POST"])
def organisation(request: HttpRequest) -> HttpResponse:
    form = OrganisationSettingsForm(request.POST or None, instance=Organisation.current())
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("The organisation is saved."))
        return redirect("accounts:settings")
    return render(request, "accounts/organisation.html", {"form": form})


@access.only_for(access.MANAGE_USERS)
@require_GET
def user_list(request: HttpRequest) -> HttpResponse:
    form = UserFilterForm(request.GET)
    if not form.is_valid():
        raise BadRequest(_("This filter isn't known."))
    users = _filtered(form.cleaned_data).select_related("team")
    return render(
        request,
        "accounts/user_list.html",
        {
            "page": keyset_page(users, request.GET, order=("name", "pk")),
            "chosen": form.cleaned_data,
            "roles": Role.choices,
            "teams": Team.objects.all(),
            "is_filtered": any(form.cleaned_data.values()),
        },
    )


def _filtered(chosen: dict) -> QuerySet[User]:
    users = User.objects.search(chosen["q"]) if chosen["q"] else User.objects.all()
    if chosen["role"]:
        users = users.filter(role=chosen["role"])
    if chosen["team"]:
        users = users.filter(team=chosen["team"])
    if chosen["state"]:
        users = users.filter(is_active=chosen["state"] == "on")
    return users


@access.only_for(access.MANAGE_USERS)
@require_http_methods(["GET", "HEAD", "POST"])
def user_add(request: HttpRequest) -> HttpResponse:
    user = User(time_zone=Organisation.current().time_zone, language=request.user.language)
    user.set_unusable_password()
    form = UserForm(request.POST or None, instance=user)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            if saved := save_unless_taken(form):
                invite(user, by=request.user)
        if saved:
            messages.success(request, _("%(name)s is added. A mail to %(email)s says how to sign in.") % vars(user))
            return redirect("accounts:user_list")
    return render(request, "accounts/user_form.html", {"form": form})


@access.only_for(access.MANAGE_USERS)
@require_http_methods(["GET", "HEAD", "POST"])
def user_edit(request: HttpRequest, pk: int) -> HttpResponse:
    person = get_object_or_404(User, pk=pk)
    heading = str(person)
    form = UserForm(request.POST or None, instance=person)
    if request.method == "POST":
        with transaction.atomic():  # the form locks the administrators
            if form.is_valid() and save_unless_taken(form):
                messages.success(request, _("%(name)s is saved.") % {"name": person})
                return redirect("accounts:user_list")
    return render(request, "accounts/user_form.html", {"form": form, "heading": heading})


@access.only_for(access.MANAGE_USERS)
@require_GET
def team_list(request: HttpRequest) -> HttpResponse:
    teams = Team.objects.annotate(people=Count("members", filter=Q(members__is_active=True)))
    return render(request, "accounts/team_list.html", {"page": keyset_page(teams, request.GET, order=("name", "pk"))})


@access.only_for(access.MANAGE_USERS)
@require_http_methods(["GET", "HEAD", "POST"])
def team_add(request: HttpRequest) -> HttpResponse:
    return _team_form(request, Team())


@access.only_for(access.MANAGE_USERS)
@require_http_methods(["GET", "HEAD", "POST"])
def team_edit(request: HttpRequest, pk: int) -> HttpResponse:
    return _team_form(request, get_object_or_404(Team, pk=pk))


def _team_form(request: HttpRequest, team: Team) -> HttpResponse:
    heading = team.name
    form = TeamForm(request.POST or None, instance=team)
    if request.method == "POST" and form.is_valid() and save_unless_taken(form):
        messages.success(request, _("Team “%(team)s” is saved.") % {"team": team})
        return redirect("accounts:team_list")
    return render(request, "accounts/team_form.html", {"form": form, "heading": heading})
