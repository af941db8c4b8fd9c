"""How a REST client is recognised by its token, and what the token lets it do."""

import datetime

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.models import ApiToken

LAST_USED_PRECISION = datetime.timedelta(minutes=1)


class ScopedTokenAuthentication(TokenAuthentication):
    """`Authorization: Bearer …`; the token's last use is noted, to the minute."""

    def authenticate(self, request: Request):
        if not request.META.get("HTTP_AUTHORIZATION", "").isascii():  # no token of ours, and the library can't read it
            raise AuthenticationFailed(_("Invalid token."))
        found = super().authenticate(request)
        if found is not None:
            token, now = found[1], timezone.now()
            if token.last_used_at is None or token.last_used_at < now - LAST_USED_PRECISION:
                ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
        return found


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = ScopedTokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema):
        return {"type": "http", "scheme": "bearer"}


class HasScope(BasePermission):
    """The token carries the view's scope: `<scope>:read` to look, `<scope>:write` to change.

    A view names its `scope`; None means that any valid token will do. What the *user* may is checked where it is done.
    """

    message = _("The token lacks the scope that this needs.")

    def has_permission(self, request: Request, view) -> bool:
        if not isinstance(request.auth, ApiToken):
            return False
        scope = view.scope
        if scope is None:
            return True
        needed = f"{scope}:{'read' if request.method in SAFE_METHODS else 'write'}"
        return needed in request.auth.scopes
