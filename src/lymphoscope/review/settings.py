"""The settings of a review server."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class OidcSettings:
    """An OpenID Connect provider that identifies people: its address, and what it knows this server as."""

    issuer: str
    client_id: str
    client_secret: str
    name_claim: str = "preferred_username"
    """The claim of the id token that holds the name of the person here."""


@dataclass(frozen=True)
class ReviewSettings:
    """How a review server works. The defaults are those of the command line."""

    database: str | Path
    """A file (SQLite), or postgresql://user@host/name."""
    roots: tuple[Path, ...] = ()
    """Results folders, or folders that contain them: nothing outside of them and `image_roots` is read."""
    image_roots: tuple[Path, ...] = ()
    """Folders of fields and cells that the results name: only images are read from them, and shown."""
    blind_share: float = 0.05
    """Share of the cells of each case that is shown without the model's suggestion, 0 to 1."""
    most_blind: int = 50
    """The largest number of such cells per case."""
    target: int = 200
    """Number of white cells that a differential count needs."""
    session_hours: float = 10
    """A login ends after so many hours."""
    secure: bool = False
    """Whether people reach the server by https, so that cookies may require it."""
    hosts: tuple[str, ...] = LOOPBACK
    """Names of the server in the Host header; others are refused."""
    setup_token: str | None = None
    """With it, the first person can make her account while there is none."""
    codes: Path | None = None
    """A table of codes for FHIR and HL7 in place of the one that ships."""
    public_url: str = "http://127.0.0.1:8350/"
    """The address by which browsers reach the server; an OpenID Connect provider sends them back there."""
    oidc: OidcSettings | None = None

    @property
    def cookie(self) -> str:
        """The name of the session cookie; browsers hold `__Host-` cookies to https and to this host."""
        return "__Host-lymphoscope_session" if self.secure else "lymphoscope_session"
