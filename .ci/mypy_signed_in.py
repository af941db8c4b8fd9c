"""A mypy plugin: `request.user` is one of our users.

Every view but sign-in is behind `login_required`, which types can't express: for mypy it would always be "perhaps
anonymous". The few places that do meet anonymous visitors ask `is_authenticated`, and tests visit every page signed out.
"""

from collections.abc import Callable

from mypy.plugin import AttributeContext, Plugin
from mypy.types import Instance, Type
from mypy_django_plugin.lib.helpers import get_typechecker_api, lookup_fully_qualified_typeinfo

REQUEST_USERS = {"django.http.request.HttpRequest.user", "rest_framework.request.Request.user"}


class SignedIn(Plugin):
    def get_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        return our_user if fullname in REQUEST_USERS else None


def our_user(context: AttributeContext) -> Type:
    user = lookup_fully_qualified_typeinfo(get_typechecker_api(context), "accounts.models.User")
    return Instance(user, []) if user else context.default_attr_type


def plugin(version: str) -> type[Plugin]:
    return SignedIn
