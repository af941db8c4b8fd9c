"""Signing a REST client in and out."""

import datetime

from allauth.account.adapter import get_adapter
from django.core.exceptions import ValidationError as DjangoValidationError
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import SCOPES
from accounts.models import ApiToken


class TokenRequestSerializer(serializers.Serializer):
    email = serializers.EmailField(max_length=254)
    password = serializers.CharField(max_length=200, trim_whitespace=False, style={"input_type": "password"})
    name = serializers.CharField(max_length=100, help_text="What the token is for, as shown in the list of tokens.")
    scopes = serializers.ListField(child=serializers.ChoiceField(sorted(SCOPES)), allow_empty=False)
    expires_in_days = serializers.IntegerField(min_value=1, max_value=366, default=90)


class TokenSerializer(serializers.Serializer):
    token = serializers.CharField(help_text="Shown this once; only its hash is stored.")
    scopes = serializers.ListField(child=serializers.CharField())
    expires_at = serializers.DateTimeField()


class TokenView(APIView):
    """Sign in with e-mail and password for a scoped, expiring token; or give the token back."""

    scope = None

    def get_authenticators(self):
        return [] if self.request and self.request.method == "POST" else super().get_authenticators()

    def get_authenticate_header(self, request: Request) -> str:
        return "Bearer"

    def get_permissions(self):
        return [] if self.request.method == "POST" else super().get_permissions()

    @extend_schema(request=TokenRequestSerializer, responses={201: TokenSerializer}, auth=[])
    def post(self, request: Request) -> Response:
        serializer = TokenRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        data = serializer.validated_data
        try:
            # The same throttle and the same answer for known and unknown addresses as on the sign-in page.
            user = get_adapter().authenticate(request._request, email=data["email"], password=data["password"])
        except DjangoValidationError as error:
            raise Throttled(detail=" ".join(error.messages)) from error
        if user is None or not user.is_active:
            raise AuthenticationFailed(_("The e-mail address or the password is wrong."))
        token, secret = ApiToken.objects.create(
            user=user,
            name=data["name"],
            scopes=sorted(set(data["scopes"])),
            expiry=datetime.timedelta(days=data["expires_in_days"]),
        )
        answer = TokenSerializer({"token": secret, "scopes": token.scopes, "expires_at": token.expiry})
        return Response(answer.data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request) -> Response:
        request.auth.delete()
        return Response(status=status.HTTP_204_NO_CONTENT)
