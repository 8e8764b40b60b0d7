"""Serve the application with uvicorn: on the loopback, with TLS, or behind a proxy that has it."""

import os
import secrets
import threading
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn

from lymphoscope.errors import LymphoscopeError
from lymphoscope.processor import return_freed_memory
from lymphoscope.review.application import create_app
from lymphoscope.review.database import open_database
from lymphoscope.review.migrate import upgrade
from lymphoscope.review.people import has_people
from lymphoscope.review.settings import LOOPBACK, ReviewSettings

SECONDS_FOR_ANSWERS: Final = 5
"""After a signal, requests that are being answered have so long."""
SECONDS_TO_END: Final = 8
"""After a signal, the process has ended by then."""


@dataclass(frozen=True)
class Address:
    """Where the server listens, and how people reach it."""

    host: str = "127.0.0.1"
    port: int = 8350
    certificate: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False
    public_names: tuple[str, ...] = ()
    """Names in the Host header besides `host` and the loopback."""

    @property
    def secure(self) -> bool:
        """Whether people use https."""
        return self.behind_proxy or self.certificate is not None

    def check(self) -> None:
        """Raise LymphoscopeError if passwords would cross a network in clear text, or a file is missing."""
        if (self.certificate is None) != (self.key is None):
            raise LymphoscopeError("--certificate and --key belong together: give both")
        for path in (self.certificate, self.key):
            if path is not None and not path.is_file():
                raise LymphoscopeError(f"{path}: no such file")
        if not is_loopback(self.host) and not self.secure:
            raise LymphoscopeError(
                f"--host {self.host}: other machines could reach this address without encryption: give --certificate "
                "and --key, or --behind-proxy if a proxy in front of it handles TLS"
            )

    def url(self) -> str:
        """Return the address for a browser."""
        name = self.public_names[0] if self.public_names else self.host
        name = f"[{name}]" if ":" in name else name
        port = "" if self.behind_proxy else f":{self.port}"
        return f"{'https' if self.secure else 'http'}://{name}{port}/"


class _Server(uvicorn.Server):
    """Ends within a bounded time after a signal.

    uvicorn gives up requests that take too long, but their threads go on, for a lock of the database or a picture of
    the model, and Python waits for its threads before it ends. What was acknowledged is stored; the rest may be lost.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to shut down, and end the process if that takes too long."""
        if not self.should_exit:
            late = threading.Timer(SECONDS_TO_END, os._exit, (128 + sig,))
            late.daemon = True
            late.start()
        super().handle_exit(sig, frame)


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def with_address(settings: ReviewSettings, address: Address) -> ReviewSettings:
    """Return the settings of a server at an address; with a setup token if there is nobody yet."""
    database = open_database(settings.database)
    upgrade(database)
    with database.read() as session:
        token = None if has_people(session) else secrets.token_urlsafe(18)
    database.close()
    names = (*LOOPBACK, address.host, *address.public_names)
    return replace(settings, secure=address.secure, hosts=names, public_url=address.url(), setup_token=token)


def serve(settings: ReviewSettings, address: Address) -> None:
    """Serve until interrupted. Raises LymphoscopeError for an address that is not safe or not free."""
    address.check()
    return_freed_memory()
    config = uvicorn.Config(
        create_app(settings),
        host=address.host,
        port=address.port,
        ssl_certfile=address.certificate,
        ssl_keyfile=address.key,
        proxy_headers=address.behind_proxy,
        forwarded_allow_ips="127.0.0.1" if address.behind_proxy else None,
        server_header=False,
        date_header=True,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=SECONDS_FOR_ANSWERS,
    )
    try:
        _Server(config).run()
    except OSError as error:
        raise LymphoscopeError(f"{address.host}:{address.port}: {error.strerror}: choose another --port") from error
