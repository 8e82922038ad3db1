"""The pytest fixtures: there without configuration, beside other plugins, and clear about what is missing."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

import pytest_atlassian_auth
from atlassian_auth.testing import ManualClock

pytest_plugins = ["pytester"]

HERE = str(Path(pytest_atlassian_auth.__file__).parent)


async def test_atlassian_answers_httpx(atlassian, atlassian_clock):
    """For the time of the test, Atlassian's addresses are the emulator's, on the test's clock."""
    atlassian_clock.advance(timedelta(days=1))

    async with httpx.AsyncClient() as http:
        response = await http.get(f"{atlassian.urls.site('acme')}/_edge/tenant_info")

    assert response.json() == {"cloudId": atlassian.cloud_id}
    assert response.headers["date"] == "Fri, 02 Jan 2026 12:00:00 GMT"


def test_the_clock_is_manual(atlassian_clock, atlassian):
    """Everything goes by the one clock of the test."""
    assert isinstance(atlassian_clock, ManualClock)
    assert atlassian.clock is atlassian_clock


def test_the_server_serves_the_same_atlassian(atlassian, atlassian_server):
    """The fixture's server serves the Atlassian of the fixture `atlassian`."""
    atlassian.add_site("globex", cloud_id="c-2")

    response = httpx.get(f"{atlassian_server.urls.site('globex')}/_edge/tenant_info")

    assert response.json() == {"cloudId": "c-2"}


async def test_the_auth_is_authorized(atlassian, atlassian_credential):
    """The fixture's auth is authorized: its first request already has a valid token."""
    async with httpx.AsyncClient(auth=atlassian_credential) as http:
        response = await http.get(f"{atlassian.jira_url}rest/api/3/myself")
        audit = await http.get(f"{atlassian.confluence_url}rest/api/audit")

    assert (response.status_code, audit.status_code) == (200, 200)
    assert atlassian.count("token") == atlassian.count("token", grant_type="authorization_code")


def test_the_auth_refreshes_when_the_clock_says_so(
    atlassian, atlassian_credential, atlassian_clock
):
    """An hour later the next request refreshes, also in a sync client."""
    atlassian_clock.advance(timedelta(hours=1))

    with httpx.Client(auth=atlassian_credential) as http:
        response = http.get(atlassian.urls.identity_url)

    assert response.status_code == 200
    assert atlassian.refreshes == 1


@pytest.mark.atlassian(product="data_center", scopes="READ", lifetime_seconds=60)
def test_the_marker_chooses_the_credential(atlassian, atlassian_credential, atlassian_clock):
    """The marker names the product, the scopes and the lifetime of access tokens."""
    with httpx.Client(auth=atlassian_credential) as http:
        url = f"{atlassian.urls.dc_base_url}/rest/api/2/myself"
        first, audit = (
            http.get(url),
            http.get(f"{atlassian.urls.dc_base_url}/rest/auditing/1.0/events"),
        )
        atlassian_clock.advance(60)
        second = http.get(url)

    assert [first.status_code, audit.status_code, second.status_code] == [200, 403, 200]
    assert atlassian.refreshes == 1


@pytest.mark.parametrize(
    ("product", "scopes"),
    [
        pytest.param(product, scopes, marks=pytest.mark.atlassian(product=product, **more))
        for product, more, scopes in [
            ("cloud", {"scopes": ["read:me"]}, {"read:me", "offline_access"}),
            ("service_account", {"scopes": "read:jira-work"}, {"read:jira-work"}),
            ("data_center_service_account", {"scopes": ["WRITE"]}, {"WRITE"}),
            ("data_center_service_account", {}, {"READ"}),
            ("jira_software", {}, set()),
        ]
    ],
)
async def test_each_product_has_a_credential(atlassian_credential, product, scopes):
    """The fixture is authorized for each product of the emulator, with the scopes of the marker."""
    assert {*(await atlassian_credential.token()).scopes} == scopes


@pytest.mark.atlassian(lifetime_seconds=60)
class TestMarkersOfAClass:
    """A class has a marker, and one of its tests has another."""

    @pytest.mark.atlassian(scopes="read:me")
    def test_the_markers_add_up(self, atlassian_credential):
        """What the nearest marker does not name comes from the others."""
        token = atlassian_credential.token_sync()

        assert token.scopes == ("read:me", "offline_access")
        assert token.lifetime == timedelta(seconds=60)


ASYNCIO = ["pytest_asyncio.plugin"]
# pytest-asyncio warns if this is not set.
LOOP_SCOPE = "-oasyncio_default_fixture_loop_scope=function"


@pytest.fixture
def suite(pytester, monkeypatch):
    """Run a test file of a user with some plugins, as pytest loads them if they are installed."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.syspathinsert(HERE)

    def run(test, *arguments, plugins=()):
        pytester.makepyfile(test)
        loaded = [part for name in ("pytest_atlassian_auth", *plugins) for part in ("-p", name)]
        return pytester.runpytest_inprocess("--strict-markers", "-W", "error", *loaded, *arguments)

    return run


SERVICE = """
    import httpx, pytest

    MYSELF = "https://api.atlassian.com/me"

    {mark}
    async def test_async(atlassian, atlassian_credential, atlassian_clock):
        atlassian_clock.advance(3600)
        async with httpx.AsyncClient(auth=atlassian_credential) as http:
            assert (await http.get(MYSELF)).status_code == 200

    def test_sync(atlassian_credential):
        with httpx.Client(auth=atlassian_credential) as http:
            assert http.get(MYSELF).status_code == 200
"""


@pytest.mark.parametrize(
    ("mark", "arguments", "plugins", "passed"),
    [
        ("", ["--asyncio-mode=auto", LOOP_SCOPE], ASYNCIO, 2),
        ("@pytest.mark.asyncio", ["--asyncio-mode=strict", LOOP_SCOPE], ASYNCIO, 2),
        ("@pytest.mark.anyio", [], ["anyio.pytest_plugin"], 3),
    ],
    ids=["asyncio-auto", "asyncio-strict", "anyio"],
)
def test_plugins_that_run_async_tests(suite, mark, arguments, plugins, passed):
    """The fixtures work with pytest-asyncio in both modes, and with anyio on asyncio and trio."""
    suite(SERVICE.format(mark=mark), *arguments, plugins=plugins).assert_outcomes(passed=passed)


BESIDE_RESPX = """
    import httpx, pytest

    {mark}
    @pytest.mark.parametrize("order", ["{mock}, atlassian", "atlassian, {mock}"])
    def test_it(request, order):
        fixtures = {{name: request.getfixturevalue(name) for name in order.split(", ")}}
        {answer}
        auth = request.getfixturevalue("atlassian_credential")
        with httpx.Client() as http:
            assert http.get("https://my.service/").json() == {{"mine": True}}
            assert http.get("https://api.atlassian.com/me", auth=auth).status_code == 200
"""

RESPX = {
    "mock": "respx_mock",
    "mark": "",
    "answer": 'fixtures["respx_mock"].get("https://my.service/").respond(json={"mine": True})',
}
PYTEST_HTTPX = {
    "mock": "httpx_mock",
    "mark": '@pytest.mark.httpx_mock(should_mock=lambda request: request.url.host == "my.service")',
    "answer": 'fixtures["httpx_mock"].add_response(json={"mine": True})',
}


@pytest.mark.parametrize(
    ("plugin", "words"),
    [("respx.plugin", RESPX), ("pytest_httpx", PYTEST_HTTPX)],
    ids=["respx", "pytest-httpx"],
)
def test_mocks_of_other_services(suite, plugin, words):
    """A test that mocks its other services with respx or pytest-httpx may name the fixtures in any order."""
    pytest.importorskip(plugin)

    suite(BESIDE_RESPX.format(**words), plugins=[plugin]).assert_outcomes(passed=2)


@pytest.mark.programs
@pytest.mark.campaign
def test_tests_may_be_spread_over_processes(suite):
    """The fixtures work in the processes of pytest-xdist."""
    arguments = ("-n2", "--asyncio-mode=auto", LOOP_SCOPE)

    result = suite(SERVICE.format(mark=""), *arguments, plugins=["xdist", *ASYNCIO])

    result.assert_outcomes(passed=2)


def test_a_fault_that_met_nothing_fails_the_test(suite):
    """A test that scripts a fault and never meets it fails, and the message names the fault."""
    outcome = suite("""
        from atlassian_auth.testing import Fault
        def test_it(atlassian):
            atlassian.fault("token", Fault.status(503), times=2)
    """)

    outcome.assert_outcomes(passed=1, errors=1)
    outcome.stdout.fnmatch_lines(["*Unused faults: status 503 (met 0 of 2).*"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ('"cloud"', 'name the arguments: @pytest.mark.atlassian(product="cloud")'),
        ('product="clould"', "'clould' is not a known product: *did you mean 'cloud'?"),
        ("scope='x'", "'scope' is not a known argument of the marker atlassian: *'scopes'?"),
        ('product="jira_software", scopes="x"', "*jira_software have no scopes: leave scopes out"),
        ("lifetime_seconds='60'", "*lifetime of cloud is '60', but must be a number of seconds*"),
    ],
)
def test_a_wrong_marker_is_refused(suite, arguments, words):
    """The error says what is wrong, and what is expected."""
    outcome = suite(f"""
        import pytest
        @pytest.mark.atlassian({arguments})
        def test_it(atlassian): pass
    """)

    outcome.assert_outcomes(errors=1)
    outcome.stdout.fnmatch_lines([f"E * {words}"])


@pytest.mark.parametrize("module", ["respx", "uvicorn"])
def test_a_missing_package_names_the_extra(suite, monkeypatch, module):
    """If a package is missing, the error names the extra to install."""
    for loaded in ("atlassian_auth.testing.mock", "atlassian_auth.testing.server"):
        monkeypatch.delitem(sys.modules, loaded, raising=False)
    monkeypatch.setitem(sys.modules, module, None)

    outcome = suite("def test_it(atlassian_server): pass")

    outcome.assert_outcomes(errors=1)
    outcome.stdout.fnmatch_lines(["*pip install 'atlassian-auth[[]testing]'*"])


@pytest.mark.programs
def test_a_run_without_the_fixtures_imports_nothing():
    """A test run that uses no fixture of ours loads one small module of ours."""
    script = (
        "import pytest, sys; before = {*sys.modules}; import pytest_atlassian_auth; "
        "print(*sorted({*sys.modules} - before))"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True, cwd=HERE
    )

    assert loaded.stdout.split() == ["pytest_atlassian_auth"]
