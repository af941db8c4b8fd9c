"""Each signed-in person sees pages in their own language and time zone."""

import zoneinfo

from django.utils import timezone, translation


class PersonalSettingsMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        user = request.user
        if not user.is_authenticated:
            return self.get_response(request)
        translation.activate(user.language)
        request.LANGUAGE_CODE = user.language
        try:
            with timezone.override(user.tzinfo):
                return self.get_response(request)
        except zoneinfo.ZoneInfoNotFoundError:  # a zone that this machine's data no longer has
            return self.get_response(request)
