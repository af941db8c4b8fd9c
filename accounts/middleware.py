"""Each signed-in person sees pages in their own language and time zone, and no cache keeps them."""

from django.utils import timezone, translation
from django.utils.cache import patch_cache_control


class PersonalSettingsMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        user = request.user
        if not user.is_authenticated:
            response = self.get_response(request)
            if "Authorization" in request.headers:  # what a token opened is as personal
                patch_cache_control(response, private=True, no_store=True)
            return response
        request.LANGUAGE_CODE = user.language
        with translation.override(user.language), timezone.override(user.tzinfo):
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", user.language)
        if not response.has_header("Cache-Control"):
            patch_cache_control(response, private=True, no_store=True)
        return response
