import datetime

import pytest
from rest_framework.test import APIClient

from accounts.access import SCOPES
from accounts.models import ApiToken, User


@pytest.fixture
def api():
    """`api(mia)` is a REST client with Mia's token, of every scope unless some are given."""

    def client_of(user: User, *scopes: str) -> APIClient:
        token, secret = ApiToken.objects.create(
            user=user, name="test", scopes=sorted(scopes or SCOPES), expiry=datetime.timedelta(days=1)
        )
        client = APIClient(raise_request_exception=False)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
        return client

    return client_of
