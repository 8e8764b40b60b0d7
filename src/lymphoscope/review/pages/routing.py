"""Routes of pages: to a browser a refusal is a page as well, not the API's JSON."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from lymphoscope.review.pages.rendering import page
from lymphoscope.review.refusals import RefusalError


class PageRoute(APIRoute):
    """A route whose refusals are shown as pages; who is not logged in is sent to the login by the application."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the route."""
        handle = super().get_route_handler()

        async def handle_page(request: Request) -> Response:
            try:
                return await handle(request)
            except RefusalError as refusal:
                if refusal.status == 401 or not wants_page(request):
                    raise
                return _shown(refusal.status, str(refusal))
            except RequestValidationError:
                if not wants_page(request):
                    raise
                return _shown(404, "there is no such page")

        return handle_page


def wants_page(request: Request) -> bool:
    """Return whether a browser asked for a page."""
    return "text/html" in request.headers.get("accept", "")


def _shown(status: int, message: str) -> Response:
    answer = page("refusal.html.j2", None, "", status=status, message=message)
    answer.status_code = status
    return answer
