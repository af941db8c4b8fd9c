"""Letting a new person in: a mail with a link under which they choose their own password."""

from allauth.account.adapter import get_adapter
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.models import Organisation, User


def invite(user: User, *, by: User) -> None:
    """Mail `user` how to sign in, in their language. The link works once and for `PASSWORD_RESET_TIMEOUT`."""
    key = f"{user_pk_to_url_str(user)}-{default_token_generator.make_token(user)}"
    context = {
        "user": user,
        "by": by,
        "organisation": Organisation.current(),
        "link": get_adapter().get_reset_password_from_key_url(key),
        "days": settings.PASSWORD_RESET_TIMEOUT // 86_400,
        "site_url": settings.SITE_URL,
    }
    with translation.override(user.language):
        send_mail(_("Your LeadFlow account"), render_to_string("mail/invitation.txt", context), None, [user.email])
