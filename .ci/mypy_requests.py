"""A mypy plugin that knows what our middleware makes of a request: `user` is one of our users, `htmx` is there.

Every view but sign-in is behind `login_required`, which types can't express: for mypy the user would always be "perhaps
anonymous". The few places that do meet anonymous visitors ask `is_authenticated`, and tests visit every page signed out.
"""

from collections.abc import Callable

from mypy.nodes import MDEF, SymbolTableNode, Var
from mypy.plugin import AttributeContext, ClassDefContext, Plugin
from mypy.types import AnyType, Instance, Type, TypeOfAny
from mypy_django_plugin.lib.helpers import get_typechecker_api, lookup_fully_qualified_typeinfo

REQUEST = "django.http.request.HttpRequest"
REQUEST_USERS = {f"{REQUEST}.user", "rest_framework.request.Request.user"}


class Requests(Plugin):
    def get_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        return our_user if fullname in REQUEST_USERS else None

    def get_customize_class_mro_hook(self, fullname: str) -> Callable[[ClassDefContext], None] | None:
        return add_htmx if fullname == REQUEST else None


def our_user(context: AttributeContext) -> Type:
    user = lookup_fully_qualified_typeinfo(get_typechecker_api(context), "accounts.models.User")
    return Instance(user, []) if user else context.default_attr_type


def add_htmx(context: ClassDefContext) -> None:
    htmx = Var("htmx", AnyType(TypeOfAny.explicit))
    htmx.info = context.cls.info
    context.cls.info.names["htmx"] = SymbolTableNode(MDEF, htmx, plugin_generated=True)


def plugin(version: str) -> type[Plugin]:
    return Requests
