"""What a page may ask of the browser, and how a form inside the drawer or the dialog ends."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseRedirectBase
from django_htmx.middleware import HtmxDetails

from leadflow.context import OVERLAYS


class HtmxRequest(HttpRequest):
    htmx: HtmxDetails


class PermissionsPolicyMiddleware:
    """No page gets camera, microphone or place, but the one that asks for it by a header of its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        return response


class OverlayRedirectMiddleware:
    """A redirect away from an overlay's own address moves the whole page, so that views redirect as always.

    A script that names no address as its page is refused, so that views can read that address.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HtmxRequest) -> HttpResponse:
        try:
            urlsplit(request.htmx.current_url or "")
        except ValueError as error:
            raise BadRequest("HX-Current-URL") from error
        response = self.get_response(request)
        if not isinstance(response, HttpResponseRedirectBase):
            return response
        if request.htmx.target in OVERLAYS and response.url != request.path:
            moved = HttpResponse(status=204, headers={"HX-Redirect": response.url})
            moved.cookies = response.cookies
            return moved
        return response
