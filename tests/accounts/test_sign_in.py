"""Signing in and out, forgotten passwords, and what an outsider can't learn from them."""

import re

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone, translation

from accounts.models import User
from tests.factories import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.once]

NEW = "an even longer pass phrase"


@pytest.fixture(autouse=True)
def _english():
    with translation.override("en"):
        yield
    cache.clear()


def sign_in(email: str, password: str = PASSWORD, client: Client | None = None, next_url: str = "", **headers):
    address = reverse("account_login") + (f"?next={next_url}" if next_url else "")
    return (client or Client()).post(address, {"login": email, "password": password, "next": next_url}, **headers)


def reset_link(email: str) -> str:
    Client().post(reverse("account_reset_password"), {"email": email})
    return re.search(r"https?://[^/\s]+(/\S+)", mail.outbox[-1].body)[1]


def test_a_person_signs_in_with_their_address_in_any_case(ada, mia):
    client = Client()
    response = sign_in(" MIA@Example.com ", client=client)
    assert response.status_code == 302
    assert client.get(reverse("accounts:profile")).context["user"] == mia


def test_after_signing_in_one_lands_where_one_wanted_to_go(ada, mia):
    assert sign_in(mia.email, next_url="/profile/tokens/")["Location"] == "/profile/tokens/"


def test_an_address_elsewhere_is_never_where_one_lands(ada, mia):
    assert sign_in(mia.email, next_url="https://evil.example/")["Location"] == "/"


def test_known_and_unknown_addresses_get_the_same_answer(ada, mia):
    def answer(email: str) -> str:
        response = sign_in(email, "wrong password")
        assert response.status_code == 200
        text = re.sub(r'(nonce|value|X-CSRFToken)["=:\\ ]+[^">}]+', "", response.content.decode())
        return text.replace(email, "")

    assert answer(mia.email) == answer("nobody@example.com")


def test_somebody_switched_off_cannot_sign_in_and_is_out_at_once(ada, mia):
    client = Client()
    sign_in(mia.email, client=client)
    User.objects.filter(pk=mia.pk).update(is_active=False)
    assert client.get(reverse("accounts:profile")).status_code == 302
    again = Client()
    assert sign_in(mia.email, client=again)["Location"] == reverse("account_inactive")
    assert again.get(reverse("accounts:profile")).status_code == 302


def test_guessing_passwords_is_slowed_down_even_when_redis_is_away(ada, mia):
    for _ in range(5):
        assert "is wrong" in sign_in(mia.email, "guess").content.decode()
    assert "Too many failed attempts" in sign_in(mia.email, PASSWORD).content.decode()
    # Another person isn't locked out by that.
    assert sign_in(ada.email).status_code == 302


def test_one_address_cannot_try_many_accounts(ada):
    answers = [sign_in(f"person{n}@example.com", "guess", REMOTE_ADDR="203.0.113.7") for n in range(11)]
    assert "Too many failed attempts" in answers[-1].content.decode()
    assert sign_in(ada.email, REMOTE_ADDR="203.0.113.8").status_code == 302


def test_a_forged_forwarding_header_does_not_escape_the_throttle(ada):
    answers = [sign_in(f"p{n}@example.com", "guess", HTTP_X_FORWARDED_FOR=f"198.51.100.{n}") for n in range(11)]
    assert "Too many failed attempts" in answers[-1].content.decode()


def test_signing_out_takes_a_post(ada, mia, as_user):
    client = as_user(mia)
    client.get(reverse("account_logout"))
    assert client.get(reverse("accounts:profile")).status_code == 200
    client.post(reverse("account_logout"))
    assert client.get(reverse("accounts:profile")).status_code == 302


def test_a_forgotten_password_is_replaced_by_a_link_that_works_once(ada, mia, settings):
    settings.SITE_URL = "https://crm.acme.example"
    link = reset_link(mia.email)
    assert mail.outbox[-1].to == [mia.email]
    assert "https://crm.acme.example/" in mail.outbox[-1].body
    client = Client()
    form = client.get(link, follow=True)
    assert "Choose a password" in form.content.decode()
    response = client.post(form.redirect_chain[-1][0], {"password1": NEW, "password2": NEW})
    assert response["Location"] == reverse("account_reset_password_from_key_done")
    assert sign_in(mia.email, NEW).status_code == 302
    assert "no longer works" in Client().get(link, follow=True).content.decode()


def test_a_reset_link_never_goes_to_a_forged_host(ada, mia):
    Client().post(reverse("account_reset_password"), {"email": mia.email}, HTTP_HOST="evil.example")
    assert "evil.example" not in mail.outbox[-1].body


def test_the_reset_mail_is_in_the_language_of_its_reader(ada, mia, monkeypatch):
    seen = []
    monkeypatch.setattr(mail.EmailMultiAlternatives, "send", lambda self: seen.append(translation.get_language()))
    User.objects.filter(pk=mia.pk).update(language="ru")
    Client().post(reverse("account_reset_password"), {"email": mia.email})
    assert seen == ["ru"]


def test_the_reset_page_answers_alike_for_known_unknown_and_switched_off_addresses(ada, mia, dan):
    User.objects.filter(pk=dan.pk).update(is_active=False)
    answers = [
        Client().post(reverse("account_reset_password"), {"email": email})
        for email in (mia.email, dan.email, "nobody@example.com")
    ]
    assert {(answer.status_code, answer["Location"]) for answer in answers} == {
        (302, reverse("account_reset_password_done"))
    }
    # One mail each, so that neither the answer nor its time tells; only the owner of an account gets a link.
    assert [("/password/reset/" in message.body) for message in mail.outbox] == [True, False, False]


def test_mails_to_one_address_are_limited(ada, mia):
    for _ in range(5):
        assert Client().post(reverse("account_reset_password"), {"email": mia.email}).status_code == 302
    refused = Client().post(reverse("account_reset_password"), {"email": mia.email})
    assert refused.status_code == 429
    assert "Too many attempts" in refused.content.decode()
    assert len(mail.outbox) == 5


def test_changing_the_password_asks_for_the_present_one_and_signs_other_browsers_out(ada, mia):
    here, elsewhere = Client(), Client()
    sign_in(mia.email, client=here)
    sign_in(mia.email, client=elsewhere)
    address = reverse("account_change_password")
    wrong = here.post(address, {"oldpassword": "guess", "password1": NEW, "password2": NEW})
    assert wrong.status_code == 200
    right = here.post(address, {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW})
    assert right["Location"] == reverse("accounts:profile")
    assert here.get(reverse("accounts:profile")).status_code == 200
    assert elsewhere.get(reverse("accounts:profile")).status_code == 302


@pytest.mark.parametrize("password", ["short", "1234567890123", "password123"])
def test_a_weak_password_is_refused(ada, mia, as_user, password):
    form = {"oldpassword": PASSWORD, "password1": password, "password2": password}
    assert as_user(mia).post(reverse("account_change_password"), form).status_code == 200
    mia.refresh_from_db()
    assert mia.check_password(PASSWORD)


def test_nobody_signs_up(ada):
    form = {"email": "mallory@example.com", "password1": NEW, "password2": NEW}
    assert Client().post(reverse("account_signup"), form).status_code == 405
    assert not User.objects.filter(email="mallory@example.com").exists()


@pytest.mark.parametrize("name", ["account_email", "account_set_password", "account_reauthenticate"])
def test_the_other_pages_of_the_sign_in_library_do_not_exist(name):
    with pytest.raises(NoReverseMatch):
        reverse(name)


@pytest.mark.parametrize("text", ["\x00", "x" * 10_000, "ada@example.com\x00", "🦊" * 300, "' OR 1=1 --", "<script>"])
def test_hostile_text_is_only_a_wrong_address(ada, text):
    assert sign_in(text, text).status_code == 200
    assert Client().post(reverse("account_reset_password"), {"email": text}).status_code == 200


def test_a_signed_out_visitor_chooses_the_language(ada):
    client = Client()
    client.post(reverse("set_language"), {"language": "ru", "next": "/sign-in/"})
    assert 'lang="ru"' in client.get(reverse("account_login")).content.decode()


def test_a_person_keeps_the_language_they_chose(ada, mia, as_user):
    as_user(mia).post(reverse("set_language"), {"language": "ru", "next": "/profile/"})
    mia.refresh_from_db()
    assert mia.language == "ru"
    response = as_user(mia).get(reverse("accounts:profile"))
    assert response["Content-Language"] == "ru"


def test_an_unknown_language_changes_nothing(ada, mia, as_user):
    as_user(mia).post(reverse("set_language"), {"language": "xx", "next": "https://evil.example/"})
    mia.refresh_from_db()
    assert mia.language == "en"


def test_pages_of_signed_in_people_are_kept_by_no_cache(ada, mia, as_user):
    assert as_user(mia).get(reverse("accounts:profile"))["Cache-Control"] == "private, no-store"


def test_a_time_zone_that_the_machine_no_longer_knows_does_not_lock_its_owner_out(ada, mia, as_user):
    User.objects.filter(pk=mia.pk).update(time_zone="Mars/Olympus")
    assert as_user(mia).get(reverse("accounts:profile")).status_code == 200
    assert timezone.get_current_timezone_name() == "UTC"
