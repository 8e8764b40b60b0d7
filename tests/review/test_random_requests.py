"""Schemathesis sends random requests, that fit the schema and that do not: none is answered with 5xx."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from lymphoscope.review.application import create_app
from lymphoscope.review.people import change_user

LEFT_OUT = {("POST", "/api/logout"), ("PUT", "/api/me/password")}
"""They end the session of the test."""


@pytest.mark.slow
def test_no_random_request_is_a_fault_of_ours(make_server: Any, tmp_path: Any) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    server = make_server()
    with server.database.write() as session:
        change_user(session, "sana", {"roles": ["senior_reader", "administrator"]}, by=None)
    client = server.person("sana")
    client.http.raise_server_exceptions = False
    app = create_app(server.settings)
    schema = schemathesis.openapi.from_dict(app.openapi())
    tried = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if (operation.method.upper(), operation.path) in LEFT_OUT:
            continue

        @settings(
            max_examples=15,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )
        @given(case=operation.as_strategy())
        def send(case: Any) -> None:
            arguments = case.as_transport_kwargs(base_url="http://localhost")
            headers = {**dict(arguments.pop("headers") or {}), "X-CSRF-Token": client.csrf}
            cookies = arguments.pop("cookies", None)
            assert not cookies
            answer = client.http.request(**arguments, headers=headers)
            assert answer.status_code < 500, f"{arguments}: {answer.text}"

        send()
        tried += 1
    assert tried > 40
    app.state.review.database.close()
