"""`lymphoscope review`: the web application on results, its people, its audit chain and its exports."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from lymphoscope.cli import review_labels, review_users
from lymphoscope.cli.options import AsJson, DatabaseOption, review_database
from lymphoscope.errors import LymphoscopeError
from lymphoscope.extras import require
from lymphoscope.vocabulary import ExitStatus

if TYPE_CHECKING:
    from lymphoscope.review.server import Address
    from lymphoscope.review.settings import ReviewSettings


_HELP = frozenset({"-h", "--help"})
_ASKS_FOR_HELP = "lymphoscope.review.help"


class _FolderOrCommand(TyperGroup):
    """`review DIR` is `review serve DIR`: what is no subcommand is a folder."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `serve` before arguments that do not begin with a subcommand."""
        if args and args[0] not in (*self.commands, *_HELP):
            args = ["serve", *args]
        ctx.meta[_ASKS_FOR_HELP] = not _HELP.isdisjoint(args)
        return super().parse_args(ctx, args)


app = typer.Typer(rich_markup_mode=None, cls=_FolderOrCommand)
app.command("export-labels", short_help="Write confirmed labels as a manifest.")(review_labels.export_labels_command)
app.command("next", short_help="List the cells to label next.")(review_labels.next_command)
app.add_typer(review_users.app, name="users", short_help="Add, list and change accounts.")


@app.callback(invoke_without_command=True)
def review_command(context: typer.Context) -> None:
    """Correct the cells of a smear, sign the count, and export it.

    `lymphoscope review DIR` opens the application; its options are those of `lymphoscope review serve`.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(ExitStatus.USAGE)
    if not context.meta[_ASKS_FOR_HELP]:
        require("review", "review")


Host = Annotated[str, typer.Option("--host", help="Address to listen on. Any other than loopback needs TLS.")]
Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")]
Certificate = Annotated[
    Path | None,
    typer.Option("--certificate", metavar="FILE", help="TLS certificate, PEM.", show_default=False),
]
Key = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="Key of the certificate, PEM.", show_default=False)
]
BehindProxy = Annotated[
    bool,
    typer.Option("--behind-proxy", help="A proxy on this machine handles TLS and sets X-Forwarded-For and -Proto."),
]
PublicName = Annotated[
    list[str] | None,
    typer.Option(
        "--public-name",
        metavar="NAME",
        help="Host name by which browsers reach the server. May be repeated.",
        show_default=False,
    ),
]
BlindShare = Annotated[
    float,
    typer.Option(
        "--blind-share",
        min=0,
        max=1,
        help="Share of the cells of each new case, at most 50, that is shown without the model's suggestion. Only "
        "these labels are unbiased.",
    ),
]
Target = Annotated[int, typer.Option("--target", min=1, help="White cells that the count of a new case needs.")]


@app.command("serve", short_help="Open the application on results: the default command.")
def serve_command(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR...",
            help="Results folders of `lymphoscope smear`, or tables of `lymphoscope predict` (.csv, .parquet).",
            show_default=False,
        ),
    ],
    database: DatabaseOption = None,
    host: Host = "127.0.0.1",
    port: Port = 8350,
    certificate: Certificate = None,
    key: Key = None,
    behind_proxy: BehindProxy = False,
    public_name: PublicName = None,
    blind_share: BlindShare = 0.05,
    target: Target = 200,
    codes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="YAML file with the codes of the FHIR and HL7 exports. Default: LOINC codes.",
            show_default=False,
        ),
    ] = None,
    oidc_issuer: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="OpenID Connect provider for logging in; the client's secret is read from "
            "LYMPHOSCOPE_OIDC_SECRET. Create the accounts first with `review users add`.",
            show_default=False,
        ),
    ] = None,
    oidc_client: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Client id of this server at the provider.", show_default=False),
    ] = None,
) -> None:
    """Import results and serve the application until interrupted.

    The first start prints the address at which the first account is made.
    """
    from lymphoscope.review.server import Address
    from lymphoscope.review.settings import ReviewSettings

    address = Address(host, port, certificate, key, behind_proxy, tuple(public_name or ()))
    address.check()
    settings = ReviewSettings(
        database=database or _database_beside(results[0]),
        roots=tuple(path.resolve() for path in results),
        blind_share=blind_share,
        target=target,
        codes=_checked(codes),
        oidc=_oidc(oidc_issuer, oidc_client),
    )
    _start(settings, address)


@app.command("demo", short_help="Open a finished synthetic case.")
def demo_command(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of the demo. A finished one is opened again.")
    ] = Path("runs/review-demo"),
    port: Port = 8350,
) -> None:
    """Draw a synthetic smear, read it with a model that was trained on such cells, and open the application on it.

    The account `demo` gets a new random password, which is shown once.
    """
    from lymphoscope.review.pages.demo_case import DEMO_PERSON, add_demo_person, write_demo
    from lymphoscope.review.server import Address
    from lymphoscope.review.settings import ReviewSettings

    results = write_demo(out)
    settings = ReviewSettings(database=out / "review.db", roots=(results.resolve(),))
    password = add_demo_person(settings)
    typer.echo("The cells are synthetic: nobody's blood is shown.")
    if password is None:
        typer.echo(f"Log in as before; remove {out} to begin again.")
    else:
        typer.echo(f"Log in as {DEMO_PERSON} with the password {password}")
    _start(settings, Address(port=port))


@app.command("verify", short_help="Check the audit chain and the state against it.")
def verify_command(
    database: DatabaseOption = None,
    head: Annotated[
        str | None,
        typer.Option(
            metavar="HASH", help="Head of the chain that a report states: it must be in the chain.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check the hash and the position of every event of the audit chain, and that the database agrees with the events.

    The exit status is 3 if something is wrong.
    """
    from lymphoscope.review.verification import verify

    with review_database(database) as opened:
        result = verify(opened, expected_head=head)
    typer.echo(result.to_json() if as_json else result.to_text())
    if not result.ok:
        raise typer.Exit(ExitStatus.SOME_FAILED)


@app.command("migrate", short_help="Bring a database to the tables of this version.")
def migrate_command(database: DatabaseOption = None) -> None:
    """Create or change the tables of a database. `review DIR` does it as well; copy the database before an upgrade."""
    from lymphoscope.review.migrate import revision_of

    with review_database(database, create=True) as opened, opened.read() as session:
        typer.echo(f"the database has revision {revision_of(session.connection())}")


@app.command("import", short_help="Import results without starting the server.")
def import_command(
    results: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Results folders, or tables of predictions.", show_default=False),
    ],
    database: DatabaseOption = None,
    blind_share: BlindShare = 0.05,
    target: Target = 200,
) -> None:
    """Import results folders into a database; what was imported before is left as it is."""
    from lymphoscope.review.settings import ReviewSettings

    address = database or _database_beside(results[0])
    settings = ReviewSettings(database=address, roots=tuple(results), blind_share=blind_share, target=target)
    _import_results(settings)


def _start(settings: "ReviewSettings", address: "Address") -> None:
    from lymphoscope.review.server import serve, with_address

    settings = with_address(settings, address)
    _import_results(settings)
    settings = _with_image_roots(settings)
    if settings.setup_token:
        typer.echo(f"No accounts yet. Make the first one: {address.url()}setup?token={settings.setup_token}")
    typer.echo(f"Review: {address.url()}  (Ctrl-C ends it)")
    serve(settings, address)


def _import_results(settings: "ReviewSettings") -> None:
    from lymphoscope.review.importing import import_results

    with review_database(str(settings.database), create=True) as opened:
        for root in settings.roots:
            done = import_results(opened, root, settings, by=None)
            typer.echo(done.in_words())


def _with_image_roots(settings: "ReviewSettings") -> "ReviewSettings":
    """Fields usually lie outside the results folder: the folders that it names may be read as well."""
    from lymphoscope.review.pages.result_files import named_folders

    with review_database(str(settings.database)) as opened, opened.read() as session:
        return replace(settings, image_roots=named_folders(session, settings.roots))


def _database_beside(results: Path) -> Path:
    """The database of results is in their folder, or beside the table."""
    return results / "review.db" if results.is_dir() else results.with_suffix(".review.db")


def _checked(codes: Path | None) -> Path | None:
    """Read a table of codes at the start, so that a fault in it is not found at the first export."""
    from lymphoscope.review.export import read_codes

    if codes is not None:
        read_codes(codes)
    return codes


def _oidc(issuer: str | None, client: str | None) -> Any:
    import os

    from lymphoscope.review.settings import OidcSettings

    if issuer is None and client is None:
        return None
    secret = os.environ.get("LYMPHOSCOPE_OIDC_SECRET")
    if not (issuer and client and secret):
        raise LymphoscopeError("--oidc-issuer, --oidc-client and the variable LYMPHOSCOPE_OIDC_SECRET belong together")
    return OidcSettings(issuer, client, secret)
