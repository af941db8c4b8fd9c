"""First run, profile, tokens, and settings → organisation, people, teams."""

import datetime
import re
import threading
from urllib.parse import urlencode

import pytest
from django.core import mail
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from accounts.forms import FirstRunForm, OrganisationSettingsForm
from accounts.models import ApiToken, Organisation, Role, Team, User
from tests.factories import PASSWORD, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.once]

FIRST = {
    "name": "Acme",
    "currency": "eur",
    "country": "de",
    "time_zone": "Europe/Berlin",
    "person": "Ada",
    "email": "Ada@Example.com",
    "password": PASSWORD,
}


@pytest.fixture(autouse=True)
def _english():
    with translation.override("en"):
        yield


def person(user: User, **changes) -> dict:
    """What the form of a person posts."""
    fields = {
        "name": user.name,
        "email": user.email,
        "role": user.role,
        "team": user.team_id or "",
        "language": user.language,
        "time_zone": user.time_zone,
        "is_active": "on",
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


# --- First run -------------------------------------------------------------------------------------------------------


def test_a_visitor_of_an_empty_base_is_led_to_the_first_run_page():
    response = Client().get(reverse("accounts:profile"), follow=True)
    assert response.redirect_chain[-1][0] == reverse("accounts:first_run")


def test_the_first_run_makes_the_administrator_signs_them_in_and_is_gone():
    client = Client()
    response = client.post(reverse("accounts:first_run"), FIRST, follow=True)
    assert response.status_code == 200
    ada = User.objects.get()
    assert (ada.email, ada.role, ada.time_zone) == ("ada@example.com", Role.ADMIN, "Europe/Berlin")
    assert ada.check_password(PASSWORD)
    organisation = Organisation.current()
    assert (organisation.name, organisation.currency, organisation.country) == ("Acme", "EUR", "DE")
    assert client.get(reverse("accounts:user_list")).status_code == 200
    for visitor in (client, Client()):
        assert visitor.get(reverse("accounts:first_run")).status_code == 404
        assert visitor.post(reverse("accounts:first_run"), FIRST).status_code == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("password", "short"),
        ("password", "ada@example.com"),
        ("currency", "EURO"),
        ("country", "XX"),
        ("time_zone", "Mars/Olympus"),
        ("email", "no address"),
        ("name", "A\x00B"),
        ("person", "x" * 151),
    ],
)
def test_the_first_run_refuses_what_is_wrong(field, value):
    assert list(FirstRunForm(FIRST | {field: value}, instance=Organisation(pk=1)).errors) == [field]


def test_the_first_run_says_what_is_wrong_and_makes_nobody():
    response = Client().post(reverse("accounts:first_run"), FIRST | {"password": "short"})
    assert response.status_code == 200
    assert list(response.context["form"].errors) == ["password"]
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_first_runs_at_once_one_wins():
    if connection.vendor == "sqlite":
        pytest.skip("threads of an in-memory database share one connection")
    made, barrier = [], threading.Barrier(2)

    def run(number: int) -> None:
        data = QueryDict(urlencode(FIRST | {"email": f"ada{number}@example.com"}))
        form = FirstRunForm(data, instance=Organisation(pk=1))
        assert form.is_valid(), form.errors
        barrier.wait()
        made.append(form.create_administrator())
        connection.close()

    runners = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    assert sorted(administrator is None for administrator in made) == [False, True]
    assert User.objects.administrators().count() == 1


# --- Profile and tokens ----------------------------------------------------------------------------------------------


def test_the_profile_changes_name_language_and_time_zone_and_nothing_else(mia, as_user):
    as_user(mia).post(
        reverse("accounts:profile"),
        {"name": "Mia M.", "language": "ru", "time_zone": "Asia/Tokyo", "role": "admin", "email": "boss@example.com"},
    )
    mia.refresh_from_db()
    assert (mia.name, mia.language, mia.time_zone) == ("Mia M.", "ru", "Asia/Tokyo")
    assert (mia.role, mia.email) == (Role.MARKETER, "mia@example.com")


def test_a_refused_profile_changes_nothing_and_keeps_what_was_typed(mia, as_user):
    response = as_user(mia).post(reverse("accounts:profile"), {"name": "", "language": "xx", "time_zone": "UTC"})
    assert set(response.context["form"].errors) == {"name", "language"}
    mia.refresh_from_db()
    assert (mia.name, mia.language) == ("Mia", "en")


def test_a_token_is_shown_once_and_stored_hashed(mia, as_user):
    client = as_user(mia)
    form = {"name": "Sync", "days": "30", "scopes": ["leads:read", "contacts:read"]}
    shown = client.post(reverse("accounts:token_add"), form)
    secret = re.search(r'id="secret" value="(\w{64})"', shown.content.decode())[1]
    token = ApiToken.objects.get()
    assert token.scopes == ["contacts:read", "leads:read"]
    assert datetime.timedelta(days=29) < token.expiry - timezone.now() < datetime.timedelta(days=31)
    assert secret not in client.get(reverse("accounts:token_list")).content.decode()
    assert secret not in repr(vars(token))
    assert "no-store" in shown["Cache-Control"]


@pytest.mark.parametrize(
    "form",
    [
        {"name": "", "days": "30", "scopes": ["leads:read"]},
        {"name": "Sync", "days": "30"},
        {"name": "Sync", "days": "36500", "scopes": ["leads:read"]},
        {"name": "Sync", "days": "30", "scopes": ["everything"]},
    ],
)
def test_a_token_needs_a_name_known_scopes_and_an_end(mia, as_user, form):
    assert as_user(mia).post(reverse("accounts:token_add"), form).status_code == 200
    assert not ApiToken.objects.exists()


def test_one_sees_and_revokes_ones_own_tokens_and_the_administrator_everybodys(mia, dan, ada, as_user):
    for owner in (mia, mia, dan):
        ApiToken.objects.create(user=owner, name=f"of {owner}", scopes=[])
    assert "of Dan" not in as_user(mia).get(reverse("accounts:token_list")).content.decode()
    assert "of Dan" in as_user(ada).get(reverse("accounts:token_list")).content.decode()

    dans = reverse("accounts:token_revoke", args=[ApiToken.objects.get(user=dan).token_key])
    assert as_user(mia).post(dans).status_code == 404
    assert as_user(ada).post(dans).status_code == 302
    assert not ApiToken.objects.filter(user=dan).exists()
    own = reverse("accounts:token_revoke", args=[ApiToken.objects.filter(user=mia).first().token_key])
    assert as_user(mia).post(own).status_code == 302
    assert ApiToken.objects.filter(user=mia).count() == 1


# --- People ----------------------------------------------------------------------------------------------------------


def test_a_new_person_gets_a_mail_and_chooses_their_password(ada, as_user, settings):
    settings.SITE_URL = "https://crm.acme.example"
    as_user(ada).post(
        reverse("accounts:user_add"), person(User(name="Nina", email="Nina@Example.com", role=Role.MARKETER))
    )
    nina = User.objects.get(email="nina@example.com")
    assert not nina.has_usable_password()
    (message,) = mail.outbox
    assert message.to == ["nina@example.com"]
    link = re.search(r"https://crm\.acme\.example(/password/\S+)", message.body)[1]
    client = Client()
    form = client.get(link, follow=True)
    client.post(form.redirect_chain[-1][0], {"password1": PASSWORD, "password2": PASSWORD})
    nina.refresh_from_db()
    assert nina.check_password(PASSWORD)


def test_an_address_is_used_once_in_any_case(ada, mia, as_user):
    form = person(User(name="Mia 2", email="MIA@example.com", role=Role.MARKETER))
    response = as_user(ada).post(reverse("accounts:user_add"), form)
    assert "email" in response.context["form"].errors
    assert User.objects.count() == 2
    assert mail.outbox == []


def test_the_administrator_changes_role_team_and_address(ada, sam, as_user):
    west = Team.objects.create(name="West")
    form = person(sam, role=Role.SALES_MANAGER, team=west.pk, email="samuel@example.com")
    as_user(ada).post(reverse("accounts:user_edit", args=[sam.pk]), form)
    sam.refresh_from_db()
    assert (sam.role, sam.team, sam.email) == (Role.SALES_MANAGER, west, "samuel@example.com")
    assert sam.check_password(PASSWORD)


@pytest.mark.parametrize("change", [{"is_active": None}, {"role": Role.DIRECTOR}])
def test_the_last_administrator_stays(ada, as_user, change):
    UserFactory(name="Former", role=Role.ADMIN, is_active=False)
    address = reverse("accounts:user_edit", args=[ada.pk])
    response = as_user(ada).post(address, person(ada, **change))
    assert "last administrator" in response.content.decode()
    ada.refresh_from_db()
    assert (ada.role, ada.is_active) == (Role.ADMIN, True)
    bob = UserFactory(name="Bob", role=Role.ADMIN)
    assert as_user(ada).post(address, person(ada, **change)).status_code == 302
    assert list(User.objects.administrators()) == [bob]


@pytest.mark.django_db(transaction=True)
def test_two_administrators_who_step_down_at_once_leave_one(ada, as_user):
    if connection.vendor == "sqlite":
        pytest.skip("threads of an in-memory database share one connection")
    bob = UserFactory(name="Bob", role=Role.ADMIN)
    barrier = threading.Barrier(2)

    def step_down(user: User) -> None:
        client = as_user(user)
        barrier.wait()
        client.post(reverse("accounts:user_edit", args=[user.pk]), person(user, role=Role.VIEWER))
        connection.close()

    both = [threading.Thread(target=step_down, args=(user,)) for user in (ada, bob)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert User.objects.administrators().count() == 1


def test_people_are_found_by_part_of_name_in_any_case_and_by_address(ada, as_user):
    UserFactory(name="Мария Ёлкина", email="m.elkina@example.com")
    UserFactory(name="Zoë Smith", email="zoe@example.com")

    def found(text: str) -> list[str]:
        return [str(user) for user in as_user(ada).get(reverse("accounts:user_list"), {"q": text}).context["page"].rows]

    assert found("мария") == found("ЁЛКИН") == found("elkina@") == ["Мария Ёлкина"]
    assert found("smith") == ["Zoë Smith"]
    assert found("%") == found("_") == []


@pytest.mark.parametrize("query", [{"role": "boss"}, {"team": "9999"}, {"state": "x"}, {"q": "\x00"}, {"after": "x"}])
def test_a_filter_that_is_not_known_is_a_bad_request(ada, as_user, query):
    assert as_user(ada).get(reverse("accounts:user_list"), query).status_code == 400


def test_people_are_paged_and_each_page_takes_the_same_number_of_queries(ada, as_user, django_assert_max_num_queries):
    team = Team.objects.create(name="All")
    User.objects.bulk_create(User(name=f"P{n:03}", email=f"p{n}@example.com", team=team) for n in range(120))
    client, names, address = as_user(ada), [], reverse("accounts:user_list")
    while address:
        with django_assert_max_num_queries(8):
            response = client.get(address)
        page = response.context["page"]
        names += [user.name for user in page.rows]
        address = page.next_key and f"{reverse('accounts:user_list')}?after={page.next_key}"
    assert names == ["Ada", *(f"P{n:03}" for n in range(120))]


# --- Organisation and teams ------------------------------------------------------------------------------------------


def test_the_organisation_is_changed_and_codes_are_checked(ada, as_user):
    address = reverse("accounts:organisation")
    form = {
        "name": "Acme",
        "currency": "rub",
        "country": "ru",
        "time_zone": "Europe/Moscow",
        "office_opens_at": "08:30",
        "office_closes_at": "17:00",
        "language": "ru",
        "quiet_from": "21:00",
        "quiet_until": "09:00",
        "mails_a_week": "1",
    }
    assert as_user(ada).post(address, form).status_code == 302
    assert (Organisation.current().currency, Organisation.current().country) == ("RUB", "RU")
    assert Organisation.current().office_opens_at == datetime.time(8, 30)
    for wrong in (
        {"office_closes_at": "08:30"},
        {"office_opens_at": "25:00"},
        {"currency": "R1"},
        {"country": "ZZ"},
        {"time_zone": "Moscow"},
        {"name": ""},
    ):
        assert not OrganisationSettingsForm(form | wrong, instance=Organisation.current()).is_valid(), wrong
    assert as_user(ada).post(address, form | {"currency": "R1"}).status_code == 200
    assert Organisation.current().currency == "RUB"


def test_teams_are_added_renamed_and_unique(ada, sam, as_user):
    client = as_user(ada)
    client.post(reverse("accounts:team_add"), {"name": "West"})
    again = client.post(reverse("accounts:team_add"), {"name": "west"})
    assert "name" in again.context["form"].errors
    client.post(reverse("accounts:team_edit", args=[sam.team_id]), {"name": "North"})
    listed = client.get(reverse("accounts:team_list")).context["page"].rows
    assert [(team.name, team.people) for team in listed] == [("North", 1), ("West", 0)]


def test_a_page_with_nothing_on_it_says_what_to_do(ada, mia, as_user):
    assert "No teams yet" in as_user(ada).get(reverse("accounts:team_list")).content.decode()
    assert "No tokens yet" in as_user(mia).get(reverse("accounts:token_list")).content.decode()
    assert "Nobody matches" in as_user(ada).get(reverse("accounts:user_list"), {"q": "zzz"}).content.decode()


def test_settings_lists_what_ones_role_may_change(ada, dora, sam, as_user):
    def offered(user: User) -> set[str]:
        areas = as_user(user).get(reverse("accounts:settings")).context["areas"]
        return {str(entry["label"]) for area in areas for entry in area["entries"]}

    lists = {"Channels", "Products", "Reasons"}
    personal = {"Consent texts", "Erased persons", "How long data is kept"}
    for_all = {"API tokens", "Routing", "Exchange rates"}
    assert offered(ada) == {"Organisation", "People", "Teams", "Sales pipelines"} | for_all | lists | personal
    marketing = {"Criteria", "Questionnaires and briefs"}
    selling = {"Agreement", "Sales pipelines", "Sales people", "Checklists"}
    assert offered(dora) == for_all | selling | marketing | lists | personal
    assert offered(sam) == for_all | {"Sales people"}
