"""The web application: its routes, the answers to errors, and the headers of every answer."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import OperationalError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lymphoscope.errors import one_line
from lymphoscope.review.access import Gate, ReviewContext
from lymphoscope.review.api import ROUTERS
from lymphoscope.review.database import open_database
from lymphoscope.review.migrate import upgrade
from lymphoscope.review.oidc import Provider
from lymphoscope.review.refusals import RefusalError
from lymphoscope.review.roles import Permission
from lymphoscope.review.settings import ReviewSettings
from lymphoscope.version import __version__

LARGEST_BODY: Final = 1024**2
STATIC: Final = Path(__file__).parent / "static"
CACHED: Final = ("/static/", "/images/")
"""Beginnings of paths whose answers browsers may keep; the routes say how long."""
PAGES: Final = "lymphoscope.review.pages.routes"

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def create_app(settings: ReviewSettings) -> FastAPI:
    """Return the application on the database of `settings`, whose tables are brought up to date first.

    Raises LymphoscopeError if the database cannot be used, TypeError if a route declares no permission.
    """
    database = open_database(settings.database)
    upgrade(database)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        database.close()

    app = FastAPI(
        title="Lymphoscope review",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        max_body_size=LARGEST_BODY,
    )
    provider = Provider(settings.oidc, f"{settings.public_url}oidc/callback") if settings.oidc else None
    app.state.review = ReviewContext(settings, database, provider)
    for router in ROUTERS:
        app.include_router(router)
    _add_pages(app)
    _add_error_answers(app)
    app.add_middleware(GZipMiddleware, minimum_size=2000, compresslevel=3)
    app.add_middleware(_Headers, secure=settings.secure)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(settings.hosts))
    for path, _methods, permission in declared_routes(app):
        if permission is None:
            raise TypeError(f"{path}: declare who may call it with `allow`")
    return app


def declared_routes(app: FastAPI) -> Iterator[tuple[str, frozenset[str], Permission | None]]:
    """Yield path, methods and declared permission of every route; mounts of static files are public by nature."""
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, Route):
            dependant = getattr(context, "dependant", None)  # a plain route of Starlette has none
            calls = [dependency.call for dependency in dependant.dependencies] if dependant else []
            gates = [call for call in calls if isinstance(call, Gate)]
            permission = gates[0].permission if len(gates) == 1 else None
            yield context.path or "", frozenset(context.methods or ()), permission


def _add_pages(app: FastAPI) -> None:
    if STATIC.is_dir():
        app.mount("/static", StaticFiles(directory=STATIC), name="static")
    if find_spec(PAGES.rpartition(".")[0]) is None or find_spec(PAGES) is None:
        return
    pages = import_module(PAGES)
    app.include_router(pages.router)
    if hasattr(pages, "mount"):
        pages.mount(app)


def _add_error_answers(app: FastAPI) -> None:
    app.add_exception_handler(RefusalError, _refused)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(OperationalError, _no_database)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusalError)  # noqa: S101 - the handler of this class
    if error.status == 401 and _is_page(request):
        return RedirectResponse(f"/login?next={quote(request.url.path)}", status_code=303)
    headers = {"Retry-After": str(error.details["retry_after"])} if "retry_after" in error.details else None
    return _problem(error.status, error.body(), headers)


async def _not_valid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - the handler of this class
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return _problem(422, {"status": 422, "error": "invalid", "message": f"{where}: {first['msg']}"})


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - the handler of this class
    codes = {404: "not_found", 405: "wrong_method", 413: "too_large"}
    body = {"status": error.status_code, "error": codes.get(error.status_code, "invalid"), "message": str(error.detail)}
    return _problem(error.status_code, body, dict(error.headers or {}))


async def _no_database(_request: Request, error: Exception) -> Response:
    print(f"lymphoscope: the database failed: {one_line(error, 300)}", file=sys.stderr)
    message = "the database does not answer: load the page again in a moment, and see what is there"
    return _problem(503, {"status": 503, "error": "no_database", "message": message}, {"Retry-After": "5"})


def _problem(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(body, status, headers=headers, media_type="application/problem+json")


def _is_page(request: Request) -> bool:
    wants_html = "text/html" in request.headers.get("accept", "")
    return request.method == "GET" and wants_html and not request.url.path.startswith("/api/")


class _Headers:
    """Adds HEADERS to every answer that does not set them itself."""

    def __init__(self, app: ASGIApp, secure: bool) -> None:
        self.app = app
        self.headers = {**HEADERS, **({"Strict-Transport-Security": "max-age=31536000"} if secure else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add the headers to the answer."""
        stored = scope.get("path", "").startswith(CACHED)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
                if not stored:
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, send_with_headers)
