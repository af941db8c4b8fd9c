"""What all REST addresses share: keyset pages, strict filters, errors as Problem Details."""

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext_lazy as _
from django.views.defaults import page_not_found
from django_filters.rest_framework import DjangoFilterBackend
from drf_standardized_errors.formatter import ExceptionFormatter
from drf_standardized_errors.handler import ExceptionHandler
from drf_standardized_errors.types import ErrorResponse
from rest_framework import exceptions, status
from rest_framework.pagination import CursorPagination
from rest_framework.response import Response

from accounts.access import NotAllowed
from leads.normalise import read_number
from pipeline.transitions import TransitionError


class KeysetPagination(CursorPagination):
    """Pages by key: as fast at the end as at the start, and no row is skipped or repeated while others write."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
    ordering = "-pk"

    def decode_cursor(self, request):
        try:
            cursor = super().decode_cursor(request)
        except exceptions.NotFound as error:
            raise exceptions.ValidationError({"cursor": [self.invalid_cursor_message]}) from error
        if cursor and cursor.position is not None and read_number(str(cursor.position)) is None:
            raise exceptions.ValidationError({"cursor": [self.invalid_cursor_message]})
        return cursor


class StrictFilterBackend(DjangoFilterBackend):
    """Filters by the view's literal list; a name that isn't on it is an error instead of being ignored."""

    def filter_queryset(self, request, queryset, view):
        filterset_class = self.get_filterset_class(view, queryset)
        known = {"cursor", "page_size", *(filterset_class.base_filters if filterset_class else ())}
        if view.detail is False and (unknown := set(request.query_params) - known):
            raise exceptions.ValidationError({name: ["There is no such filter."] for name in sorted(unknown)})
        return super().filter_queryset(request, queryset, view)


class Conflict(exceptions.APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


class PayloadTooLarge(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = _("This is too much at once. Send it in smaller parts.")
    default_code = "too_large"


class ProblemDetails(ExceptionFormatter):
    """Errors by RFC 9457: `type`, `title`, `status`, `detail`, and `errors` with a pointer to each wrong field."""

    def format_error_response(self, error_response: ErrorResponse) -> dict:
        errors = error_response.errors
        problem = {
            "type": "about:blank",
            "title": str(getattr(self.exc, "default_detail", "Error")),
            "status": self.exc.status_code,
            "code": errors[0].code if errors else "error",
            "detail": errors[0].detail if errors else "",
        }
        if error_response.type == "validation_error":
            problem["title"], problem["code"] = "Invalid input.", "invalid"
            problem["errors"] = [
                {
                    "pointer": "#/" + error.attr.replace(".", "/") if error.attr else "#",
                    "code": error.code,
                    "detail": error.detail,
                }
                for error in errors
            ]
        return problem


class ProblemDetailsHandler(ExceptionHandler):
    def convert_known_exceptions(self, exc: Exception) -> Exception:
        if isinstance(exc, NotAllowed):
            return exceptions.PermissionDenied(str(exc))
        if isinstance(exc, TransitionError):
            return Conflict(str(exc))
        if isinstance(exc, RequestDataTooBig):
            return PayloadTooLarge()
        return super().convert_known_exceptions(exc)

    def get_response(self, exc: exceptions.APIException, data: dict) -> Response:
        response = super().get_response(exc, data)
        response.content_type = "application/problem+json"
        return response


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What an unknown address answers: Problem Details to a REST client, a page to a person."""
    if not request.path.startswith("/api/"):
        return page_not_found(request, exception)
    problem = {"type": "about:blank", "title": "Not found.", "status": 404, "code": "not_found", "detail": "Not found."}
    return JsonResponse(problem, status=404, content_type="application/problem+json")
