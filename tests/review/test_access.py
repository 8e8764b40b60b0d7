"""Who may call what: every route by every role, sessions, CSRF, rate limits, and the headers of answers."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from fastapi import APIRouter
from sqlalchemy import select

from lymphoscope.review import application, sessions
from lymphoscope.review.application import create_app, declared_routes
from lymphoscope.review.people import add_user, change_user
from lymphoscope.review.refusals import RefusalError
from lymphoscope.review.server import Address
from lymphoscope.review.settings import ReviewSettings
from lymphoscope.review.tables import Event, LoginSession, User

EVERYONE = {"nobody", "reader", "senior_reader", "administrator"}
PEOPLE = EVERYONE - {"nobody"}
READERS = {"reader", "senior_reader"}
SENIOR = {"senior_reader"}
ADMINISTRATOR = {"administrator"}

EXPECTED: dict[str, set[str]] = {
    "GET /healthz": EVERYONE,
    "POST /api/setup": EVERYONE,
    "POST /api/login": EVERYONE,
    "POST /api/logout": PEOPLE,
    "GET /api/me": PEOPLE,
    "PUT /api/me/preferences": PEOPLE,
    "PUT /api/me/password": PEOPLE,
    "GET /api/classes": PEOPLE,
    "GET /api/cases": PEOPLE,
    "POST /api/cases/import": SENIOR | ADMINISTRATOR,
    "GET /api/cases/{case_id}": PEOPLE,
    "GET /api/cases/{case_id}/comments": PEOPLE,
    "POST /api/cases/{case_id}/comments": READERS,
    "DELETE /api/comments/{comment_id}": READERS,
    "GET /api/cases/{case_id}/events": PEOPLE,
    "POST /api/cases/{case_id}/second-reading": READERS,
    "GET /api/cases/{case_id}/agreement": PEOPLE,
    "POST /api/cases/{case_id}/adjudicate": SENIOR,
    "GET /api/cases/{case_id}/signing": PEOPLE,
    "POST /api/cases/{case_id}/sign": SENIOR,
    "POST /api/cases/{case_id}/amend": SENIOR,
    "GET /api/cases/{case_id}/signatures": PEOPLE,
    "GET /api/cases/{case_id}/export/{kind}": PEOPLE,
    "GET /api/audit/head": PEOPLE,
    "GET /api/audit/verify": ADMINISTRATOR,
    "GET /api/readings/{reading_id}": PEOPLE,
    "GET /api/readings/{reading_id}/cells": PEOPLE,
    "GET /api/readings/{reading_id}/index": PEOPLE,
    "GET /api/readings/{reading_id}/cells/{cell_id}": PEOPLE,
    "GET /api/readings/{reading_id}/next": PEOPLE,
    "GET /api/readings/{reading_id}/changes": PEOPLE,
    "GET /api/readings/{reading_id}/differential": PEOPLE,
    "POST /api/readings/{reading_id}/changes": READERS,
    "POST /api/readings/{reading_id}/labels": READERS,
    "POST /api/readings/{reading_id}/confirm": READERS,
    "POST /api/readings/{reading_id}/not-a-cell": READERS,
    "POST /api/readings/{reading_id}/seen": READERS,
    "POST /api/readings/{reading_id}/cells": READERS,
    "POST /api/readings/{reading_id}/undo": READERS,
    "POST /api/readings/{reading_id}/lease": READERS,
    "DELETE /api/readings/{reading_id}/lease": READERS,
    "POST /api/readings/{reading_id}/finish": READERS,
    "GET /oidc/login": EVERYONE,
    "GET /oidc/callback": EVERYONE,
    "GET /api/users": ADMINISTRATOR,
    "POST /api/users": ADMINISTRATOR,
    "PATCH /api/users/{name}": ADMINISTRATOR,
    "GET /login": EVERYONE,
    "GET /setup": EVERYONE,
    "GET /": PEOPLE,
    "GET /account": PEOPLE,
    "GET /users": ADMINISTRATOR,
    "GET /audit": ADMINISTRATOR,
    "GET /cases/{case_id}": PEOPLE,
    "GET /cases/{case_id}/cells/{cell_id}": PEOPLE,
    "GET /cases/{case_id}/fields/{field_id}": PEOPLE,
    "GET /cases/{case_id}/sign": PEOPLE,
    "GET /cases/{case_id}/second": PEOPLE,
    "GET /cases/{case_id}/comments": PEOPLE,
    "GET /cases/{case_id}/events": PEOPLE,
    "GET /cases/{case_id}/report": PEOPLE,
    "GET /cases/{case_id}/report.pdf": PEOPLE,
    "GET /readings/{reading_id}/references/{label}": PEOPLE,
    "GET /images/cases/{case_id}/thumbs/{cell_id}": PEOPLE,
    "GET /images/cases/{case_id}/cells/{cell_id}": PEOPLE,
    "GET /images/cases/{case_id}/cells/{cell_id}/views/{view}": PEOPLE,
    "GET /images/cases/{case_id}/fields/{field_id}/tiles/{level}/{column}-{row}.jpg": PEOPLE,
}
"""Route -> who may call it. A new route needs its line here."""

CHANGES_THE_SESSION = ("POST /api/logout",)


def routes_of(app: Any) -> list[tuple[str, str]]:
    return [(method, path) for path, methods, _ in declared_routes(app) for method in sorted(methods - {"HEAD"})]


def is_refused(answer: Any) -> bool:
    if answer.headers.get("content-type") != "application/problem+json":
        return False
    return answer.json()["error"] in ("not_logged_in", "not_allowed", "csrf")


def test_every_route_is_in_the_matrix(make_server: Any) -> None:
    routes = {f"{method} {path}" for method, path in routes_of(make_server().app)}
    assert routes == set(EXPECTED)


def test_every_route_lets_in_exactly_the_roles_of_the_matrix(make_server: Any) -> None:
    server = make_server()
    clients = {
        "nobody": server.client(),
        "reader": server.person("rita"),
        "senior_reader": server.person("sana"),
        "administrator": server.person("adam"),
    }
    routes = sorted(routes_of(server.app), key=lambda route: f"{route[0]} {route[1]}" in CHANGES_THE_SESSION)
    for method, path in routes:
        address = path
        for name in ("case_id", "reading_id", "cell_id", "comment_id", "field_id", "level", "column", "row"):
            address = address.replace("{" + name + "}", "999999")
        address = address.replace("{kind}", "csv").replace("{name}", "somebody")
        address = address.replace("{view}", "crop").replace("{label}", "monocyte")
        for role, client in clients.items():
            answer = client.call(method, address, {} if method in ("POST", "PUT", "PATCH") else None)
            if path != "/api/setup":  # it is public, and refuses whoever has not the token
                expected = role not in EXPECTED[f"{method} {path}"]
                assert is_refused(answer) == expected, f"{role}: {method} {path}: {answer.text[:200]}"


def test_a_route_without_a_declaration_stops_the_server_from_starting(
    make_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = APIRouter()

    @router.get("/forgotten")
    def forgotten() -> None: ...

    settings = make_server().settings
    monkeypatch.setattr(application, "ROUTERS", (router,))
    with pytest.raises(TypeError, match="/forgotten: declare who may call it"):
        create_app(settings)


def test_changes_need_the_csrf_token_and_the_own_site(make_server: Any) -> None:
    server = make_server()
    rita = server.person("rita")
    for headers in (
        {},
        {"X-CSRF-Token": "wrong"},
        {"X-CSRF-Token": rita.csrf, "Origin": "https://elsewhere.example"},
        {"X-CSRF-Token": rita.csrf, "Sec-Fetch-Site": "cross-site"},
        {"X-CSRF-Token": rita.csrf, "Origin": "null"},
    ):
        answer = rita.http.put("/api/me/preferences", json={"a": 1}, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (403, "csrf"), headers
    right = {"X-CSRF-Token": rita.csrf, "Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert rita.http.put("/api/me/preferences", json={"a": 1}, headers=right).status_code == 200
    body = {"name": "rita", "password": server.password}
    login = rita.http.post("/api/login", json=body, headers={"Origin": "https://elsewhere.example"})
    assert login.status_code == 403


def test_guessing_passwords_is_slowed_down_and_recorded(make_server: Any) -> None:
    server = make_server()
    client = server.client()
    for _ in range(5):
        answer = client.post("/api/login", {"name": "rita", "password": "a wrong password"}, status=401)
        assert answer["message"] == "the name or the password is wrong"
    answer = client.call("POST", "/api/login", {"name": "RITA ", "password": server.password})
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert client.post("/api/login", {"name": "nobody", "password": "x" * 20}, status=401)["error"] == "wrong_password"
    client.log_in("ravi")
    with server.database.read() as session:
        kinds = session.scalars(select(Event.kind).where(Event.kind.like("login%"))).all()
    assert kinds == ["login_failed"] * 6 + ["login"]


def test_the_limit_of_an_address_holds_over_all_names(make_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sessions.MOST_FAILURES, "address", 3)
    client = make_server().client()
    for index in range(3):
        client.post("/api/login", {"name": f"person{index}", "password": "a wrong password"}, status=401)
    client.post("/api/login", {"name": "rita", "password": "a wrong password"}, status=429)


@pytest.fixture
def quick_passwords(monkeypatch: pytest.MonkeyPatch, password_hash: str) -> None:
    """Compare passwords in a moment, without argon2, so that many logins are under way at a time."""

    def compare(password: str, known: str | None) -> bool:
        time.sleep(0.1)
        return known == password_hash and password == "a long enough password"  # noqa: S105

    monkeypatch.setattr(sessions, "password_fits", compare)


def log_in_at_once(server: Any, logins: list[tuple[str, str]]) -> Counter[int]:
    """Log in with names and passwords at the same moment; return how often each status was answered."""
    together = Barrier(len(logins))

    def log_in(login: tuple[str, str]) -> int:
        together.wait(timeout=30)
        try:
            sessions.log_in(server.database, *login, address="10.0.0.1", hours=1)
        except RefusalError as error:
            return error.status
        return 200

    with ThreadPoolExecutor(len(logins)) as threads:
        return Counter(threads.map(log_in, logins))


@pytest.mark.usefixtures("quick_passwords")
def test_fifty_people_behind_one_address_log_in_at_once(server: Any, password_hash: str) -> None:
    with server.database.write() as session:
        for index in range(50):
            name = f"user{index}"
            add_user(session, name, display_name=name, roles=["reader"], password_hash=password_hash, by=None)
    statuses = log_in_at_once(server, [(f"user{index}", server.password) for index in range(50)])
    assert statuses == {200: 50}
    assert log_in_at_once(server, [("user0", server.password)] * 10) == {200: 10}


@pytest.mark.usefixtures("quick_passwords")
def test_simultaneous_guesses_learn_no_more_than_the_limits_allow(server: Any) -> None:
    guesses = [("rita", f"a wrong password {index}") for index in range(20)]
    assert log_in_at_once(server, guesses) == {401: 5, 429: 15}
    assert log_in_at_once(server, [("rita", server.password)] * 3) == {429: 3}
    others = [(f"person{index}", "a wrong password") for index in range(40)]
    assert log_in_at_once(server, others) == {401: 25, 429: 15}
    assert log_in_at_once(server, [("ravi", server.password)]) == {429: 1}
    with server.database.read() as session:
        assert session.scalars(select(Event.kind).where(Event.kind == "login_failed")).all() == ["login_failed"] * 30


@pytest.mark.usefixtures("quick_passwords")
def test_a_right_guess_among_wrong_ones_is_refused_after_the_limit(
    make_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make_server()
    compare = sessions.password_fits

    def compare_last(password: str, password_hash: str | None) -> bool:
        """Take as long as five wrong guesses take that began later."""
        if password == server.password:
            monkeypatch.setattr(sessions, "password_fits", compare)
            log_in_at_once(server, [("rita", "a wrong password")] * 5)
        return compare(password, password_hash)

    monkeypatch.setattr(sessions, "password_fits", compare_last)
    assert log_in_at_once(server, [("rita", server.password)]) == {429: 1}


def test_a_session_ends_by_logout_expiry_and_change_of_the_account(make_server: Any) -> None:
    server = make_server()
    rita = server.person("rita")
    rita.post("/api/logout")
    assert rita.call("GET", "/api/me").status_code == 401
    rita = server.person("rita")
    with server.database.write() as session:
        change_user(session, "rita", {"roles": ["senior_reader"]}, by=None)
    assert rita.call("GET", "/api/me").status_code == 401
    rita = server.person("rita")
    with server.database.write() as session:
        session.query(LoginSession).update({"expires": "2020-01-01T00:00:00.000Z"})
    assert rita.call("GET", "/api/me").status_code == 401
    with server.database.write() as session:
        change_user(session, "rita", {"active": False}, by=None)
    assert server.client().post("/api/login", {"name": "rita", "password": server.password}, status=401)


def test_neither_passwords_nor_tokens_are_stored(make_server: Any) -> None:
    server = make_server()
    rita = server.person("rita")
    token = rita.http.cookies["lymphoscope_session"]
    with server.database.read() as session:
        hashes = session.scalars(select(User.password_hash)).all()
        tokens = session.scalars(select(LoginSession.token_hash)).all()
        bodies = " ".join(session.scalars(select(Event.body)))
    assert all(one.startswith("$argon2id$") for one in hashes)
    assert token not in tokens
    assert server.password not in bodies
    assert token not in bodies


def test_the_cookie_is_for_this_site_alone_and_for_https_where_there_is_tls(make_server: Any) -> None:
    server = make_server(secure=True)
    answer = server.client().call("POST", "/api/login", {"name": "rita", "password": server.password})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-lymphoscope_session=")
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Secure", "Path=/"))
    assert answer.headers["strict-transport-security"].startswith("max-age=")


def test_the_first_person_needs_the_token_and_there_is_no_second_first_person(make_server: Any, tmp_path: Any) -> None:
    settings = ReviewSettings(database=tmp_path / "new.db", setup_token="the token of the terminal")  # noqa: S106
    app = create_app(settings)
    client = make_server.client_of(app)
    body = {"token": "guess", "name": "Ada", "display_name": "Ada L.", "password": "a long enough password"}
    assert client.post("/api/setup", body, status=403)["error"] == "not_allowed"
    assert client.get("/healthz")["setup"]
    right = {**body, "token": "the token of the terminal"}
    assert client.post("/api/setup", {**right, "password": "short"}, status=422)["error"] == "invalid"
    client.post("/api/setup", right, status=201)
    client.post("/api/setup", {**right, "name": "eve"}, status=403)
    me = client.post("/api/login", {"name": "ada", "password": "a long enough password"})
    assert me["roles"] == ["administrator", "senior_reader"]
    app.state.review.database.close()


@pytest.mark.slow
def test_an_administrator_adds_and_changes_people_but_not_the_last_administrator(make_server: Any) -> None:
    server = make_server()
    adam = server.person("adam")
    new = {"name": "Nina", "display_name": "Nina N.", "roles": ["reader"], "password": "a long enough password"}
    assert adam.post("/api/users", new)["name"] == "nina"
    assert adam.post("/api/users", new, status=409)["error"] == "taken"
    assert adam.post("/api/users", {**new, "name": "<b>"}, status=422)["error"] == "invalid"
    assert adam.post("/api/users", {**new, "name": "x", "roles": ["king"]}, status=422)["error"] == "invalid"
    changed = adam.call("PATCH", "/api/users/nina", {"roles": ["reader", "administrator"]})
    assert changed.json()["roles"] == ["administrator", "reader"]
    adam.call("PATCH", "/api/users/nina", {"active": False})
    last = adam.call("PATCH", "/api/users/adam", {"roles": ["reader"]})
    assert (last.status_code, last.json()["error"]) == (409, "last_administrator")


def test_answers_carry_strict_headers_and_other_hosts_are_refused(make_server: Any) -> None:
    server = make_server()
    client = server.client()
    for path in ("/healthz", "/api/cases", "/no/such/page"):
        headers = client.call("GET", path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
    assert client.http.get("/healthz", headers={"Host": "rebound.example"}).status_code == 400


def test_a_page_without_login_leads_to_the_login_and_the_api_does_not(make_server: Any) -> None:
    client = make_server().client()
    answer = client.http.get("/api/cases", headers={"Accept": "text/html"}, follow_redirects=False)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (Address(host="0.0.0.0"), "without encryption"),  # noqa: S104
        (Address(host="192.168.1.5"), "without encryption"),
        (Address(certificate="/no/such/file"), "belong together"),
    ],
)
def test_beyond_the_loopback_tls_is_required(address: Address, message: str) -> None:
    with pytest.raises(Exception, match=message):
        address.check()


def test_on_the_loopback_or_behind_a_proxy_the_server_starts() -> None:
    proxied = Address(host="0.0.0.0", behind_proxy=True)  # noqa: S104
    for address in (Address(), Address(host="::1"), Address(host="localhost"), proxied):
        address.check()
    assert Address(host="::1").url() == "http://[::1]:8350/"
    assert Address(behind_proxy=True, public_names=("review.example",)).url() == "https://review.example/"
