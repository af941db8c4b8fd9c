import datetime

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import ApiToken
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

SIGN_IN = {"email": "mia@example.com", "password": PASSWORD, "name": "shop", "scopes": ["contacts:read"]}


def test_a_client_signs_in_for_a_token_of_which_only_the_hash_is_kept(mia):  # A3
    answer = APIClient().post("/api/v1/tokens/", SIGN_IN, format="json")
    assert answer.status_code == 201
    token = ApiToken.objects.get()
    assert answer.data["token"] not in {token.digest, token.token_key}
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {answer.data['token']}")
    assert client.get("/api/v1/contacts/").status_code == 200


@pytest.mark.parametrize("change", [{"password": "wrong"}, {"email": "nobody@example.com"}])
def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(mia, change):  # A3
    answer = APIClient().post("/api/v1/tokens/", {**SIGN_IN, **change}, format="json")
    assert (answer.status_code, answer.data["detail"]) == (401, "The e-mail address or the password is wrong.")


def test_guessing_passwords_is_throttled(mia):  # A3
    answers = [APIClient().post("/api/v1/tokens/", {**SIGN_IN, "password": "x"}, format="json") for _n in range(12)]
    assert answers[-1].status_code == 429


def test_without_a_token_nothing_is_shown(mia):  # A3
    answer = APIClient().get("/api/v1/contacts/")
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"


def test_a_token_does_only_what_its_scopes_name(mia, api):  # A3
    reader = api(mia, "contacts:read")
    assert reader.get("/api/v1/contacts/").status_code == 200
    assert reader.post("/api/v1/contacts/", {"name": "Eve"}, format="json").status_code == 403
    assert reader.get("/api/v1/leads/").status_code == 403


def test_a_token_never_does_more_than_its_user_may(vera, api):  # A3
    assert api(vera).post("/api/v1/contacts/", {"name": "Eve"}, format="json").status_code == 403


def test_an_expired_token_and_one_of_a_person_switched_off_are_refused(mia, api):  # A3
    client = api(mia)
    mia.is_active = False
    mia.save()
    assert client.get("/api/v1/contacts/").status_code == 401
    mia.is_active = True
    mia.save()
    ApiToken.objects.update(expiry=timezone.now() - datetime.timedelta(seconds=1))
    assert client.get("/api/v1/contacts/").status_code == 401


def test_a_token_that_is_given_back_is_gone_at_once(mia, api):  # A3
    client = api(mia)
    assert client.delete("/api/v1/tokens/").status_code == 204
    assert client.get("/api/v1/contacts/").status_code == 401
