"""The frame around every page: navigation, drawer and dialog."""

import io

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponseRedirect
from django.test import RequestFactory
from django_htmx.middleware import HtmxDetails

from accounts.models import Role, User
from leadflow import context
from leadflow.middleware import OverlayRedirectMiddleware


def request_to(path: str, *, target: str = "", role: Role = Role.VIEWER):
    headers = {"HX-Request": "true", "HX-Target": target} if target else {}
    request = RequestFactory().get(path, headers=headers)
    request.htmx = HtmxDetails(request)
    request.user = User(name="Vera", role=role)
    return request


@pytest.mark.parametrize("target", context.OVERLAYS)
def test_any_page_opens_in_the_drawer_and_the_dialog_without_its_frame(target):
    assert context.page(request_to("/", target=target))["layout"] == "_layout_overlay.html"
    assert context.page(request_to("/", target="rows"))["layout"] == "_layout_page.html"


def test_a_redirect_away_from_an_overlay_moves_the_whole_page_and_keeps_cookies():
    answer = HttpResponseRedirect("/leads/")
    answer.set_cookie("messages", "kept")
    response = OverlayRedirectMiddleware(lambda _: answer)(request_to("/leads/5/reject/", target="dialog-body"))
    assert (response.status_code, response["HX-Redirect"]) == (204, "/leads/")
    assert response.cookies["messages"].value == "kept"


@pytest.mark.parametrize(("path", "target"), [("/leads/", "dialog-body"), ("/other/", "rows"), ("/other/", "")])
def test_other_redirects_are_left_alone(path, target):
    response = OverlayRedirectMiddleware(lambda _: HttpResponseRedirect("/leads/"))(request_to(path, target=target))
    assert (response.status_code, response.url) == (302, "/leads/")


@pytest.fixture
def pages(monkeypatch):
    urls = {"pipeline:home": "/", "leads:lead_list": "/leads/", "leads:contact_list": "/leads/contacts/"}
    entries = [context.Entry(name, name, "sun") for name in urls]
    entries.append(context.Entry("leads:lead_list", "for Ada", "sun", roles=frozenset({Role.ADMIN})))
    monkeypatch.setattr(context, "NAVIGATION", entries)
    monkeypatch.setattr(context, "reverse", urls.__getitem__)


@pytest.mark.usefixtures("pages")
@pytest.mark.parametrize(
    ("path", "current"),
    [
        ("/", ["pipeline:home"]),
        ("/leads/7/", ["leads:lead_list"]),
        ("/leads/contacts/3/", ["leads:contact_list"]),
        ("/profile/", []),
    ],
)
def test_the_navigation_marks_the_entry_one_is_in(path, current):
    items = context.navigation(request_to(path))
    assert [item["entry"].url_name for item in items if item["is_current"]] == current


@pytest.mark.usefixtures("pages")
def test_the_navigation_shows_only_what_one_may_open():
    def labels(request):
        return [item["entry"].label for item in context.navigation(request)]

    assert "for Ada" in labels(request_to("/", role=Role.ADMIN))
    assert "for Ada" not in labels(request_to("/", role=Role.VIEWER))
    stranger = request_to("/")
    stranger.user = AnonymousUser()
    assert labels(stranger) == []


@pytest.mark.parametrize(("is_signed_in", "taken"), [(False, []), (True, ["table"])])
def test_only_who_is_signed_in_can_send_a_file(rf, is_signed_in, taken):
    request = rf.post("/", {"note": "x", "table": io.BytesIO(b"a;b")})
    request.user = User() if is_signed_in else AnonymousUser()
    assert list(request.FILES) == taken


@pytest.mark.parametrize(("role", "shown"), [(Role.SDR, "pipeline:desk"), (Role.SALES_REP, "pipeline:inbox")])
def test_the_phone_shows_each_side_its_own_work_first(role, shown):
    short = [item["entry"].url_name for item in context.navigation(request_to("/", role=role)) if item["short"]]
    assert shown in short
    assert {"pipeline:desk", "pipeline:inbox"} & set(short) == {shown}


@pytest.mark.parametrize(
    ("path", "current"), [("/questionnaires/2/", "leads:campaign_list"), ("/demand/", "leads:partner_list")]
)
def test_pages_that_belong_to_an_entry_mark_it(path, current):
    items = context.navigation(request_to(path, role=Role.DIRECTOR))
    assert [item["entry"].url_name for item in items if item["is_current"]] == [current]
