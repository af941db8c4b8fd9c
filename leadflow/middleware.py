"""How a form inside the drawer or the dialog ends."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from leadflow.context import OVERLAYS


class OverlayRedirectMiddleware:
    """A redirect away from an overlay's own address moves the whole page, so that views redirect as always."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.htmx.target in OVERLAYS and response.status_code in (301, 302, 303) and response.url != request.path:
            moved = HttpResponse(status=204, headers={"HX-Redirect": response.url})
            moved.cookies = response.cookies
            return moved
        return response
