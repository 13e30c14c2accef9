"""Who may speak with the studio's server: everything else is 403, before anything else is looked at."""

import os
import re
import stat

import httpx
import pytest
from talking import Talk, enter, serving
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from gradline.studio import access
from gradline.studio.access import Access, lasting_secret
from gradline.studio.answers import Studio
from gradline.studio.page_file import page_policy


@pytest.fixture(scope="module")
def server():
    with serving(Studio()) as found:
        yield found


@pytest.fixture(scope="module")
def page(server):
    return enter(server)


def socket_status(page, **options):
    """The status with which a socket is refused."""
    with pytest.raises(InvalidStatus) as refused, connect(page.replace("http", "ws", 1) + "socket", **options):
        pass
    return refused.value.response.status_code


def test_a_token_is_good_for_one_visit(server):
    address = server.access.new_address()
    first = httpx.get(address)
    assert first.status_code == 303
    assert httpx.get(address).status_code == 403
    assert httpx.get(f"http://127.0.0.1:{server.port}{first.headers['location']}").status_code == 200


@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token=%00", "?other=1"])
def test_a_wrong_token_is_refused(server, query):
    answer = httpx.get(f"http://127.0.0.1:{server.port}/{query}")
    assert answer.status_code == 403
    assert "good for one visit" in answer.text


@pytest.mark.parametrize("path", ["/s/wrong/", "/s//", "/s/0-0-0/", "/docs", "/openapi.json", "/s", "/x/../s/"])
def test_a_wrong_key_is_refused_whatever_the_path(server, path):
    assert httpx.get(f"http://127.0.0.1:{server.port}{path}").status_code == 403


def test_a_key_that_was_changed_or_is_of_another_port_is_refused(server, page):
    key = page.split("/")[-2]
    other = Access(server.port + 1, b"x" * 32).new_key()
    for wrong in (key[:-1] + ("a" if key[-1] != "a" else "b"), "1" + key, other):
        assert httpx.get(page.replace(key, wrong)).status_code == 403


def test_a_key_grows_old(monkeypatch):
    door = Access(1, b"x" * 32)
    key = door.new_key()
    assert door.knows(key)
    now = access.time.time()
    monkeypatch.setattr(access.time, "time", lambda: now + access.VALID + 60)
    assert not door.knows(key)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "evil.example:{port}", "[::1]:{port}"])
def test_another_host_is_refused(server, page, host):
    assert httpx.get(page, headers={"Host": host.format(port=server.port)}).status_code == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1", ""])
def test_another_origin_is_refused(server, page, origin):
    given = origin.format(port=server.port)
    assert httpx.get(page, headers={"Origin": given}).status_code == 403
    assert socket_status(page, origin=given) == 403


def test_a_socket_without_an_origin_or_with_a_wrong_key_or_host_is_refused(server, page):
    own = f"http://127.0.0.1:{server.port}"
    assert socket_status(page) == 403
    assert socket_status(page.replace("/s/", "/s/0"), origin=own) == 403
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    assert httpx.get(page + "socket", headers={**upgrade, "Origin": own, "Host": "evil.example"}).status_code == 403


def test_the_own_page_gets_in_by_either_name(server, page):
    with Talk(page) as talk:
        assert talk.hello["protocol"] == 1
    with Talk(page.replace("127.0.0.1", "localhost")) as talk:
        assert talk.hello["table"] is None


def test_every_answer_has_strict_headers(server, page):
    for address in (page, page + "files/none/none", f"http://127.0.0.1:{server.port}/?token=wrong", server.access.new_address()):
        headers = httpx.get(address).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "server" not in headers


def test_the_page_runs_only_what_it_holds(page):
    policy = httpx.get(page).headers["content-security-policy"]
    assert re.search(r"script-src 'sha256-[\w+/=]+'(;|$)", policy)
    assert "unsafe" not in policy
    assert "frame-ancestors" not in page_policy(framed=True)
    assert '<meta name="gradline-server"' in httpx.get(page).text


def test_the_server_listens_on_this_machine_alone(server):
    assert server._socket.getsockname()[0] == "127.0.0.1"


@pytest.mark.skipif(os.name == "nt", reason="permissions of files are POSIX's")
def test_the_secret_lasts_and_is_the_users_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(access.sys, "platform", "linux")
    first = lasting_secret()
    place = tmp_path / "gradline" / "studio.key"
    assert first == lasting_secret() == place.read_bytes()
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    place.chmod(0o644)  # somebody else may have read it
    assert lasting_secret() != first


def test_where_no_secret_can_be_kept_one_is_made(tmp_path, monkeypatch):
    (tmp_path / "gradline").write_text("a file where the folder would be")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(access.sys, "platform", "linux")
    assert len(lasting_secret()) == 32
    assert lasting_secret() != lasting_secret()
