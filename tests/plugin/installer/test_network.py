"""Downloads through QGIS: its proxy with exceptions and passwords, its certificates, open checksums."""

from __future__ import annotations

import base64
import hashlib
import select
import socket
import ssl
import subprocess
import threading
from dataclasses import replace

import pytest
from qgis.core import QgsNetworkAccessManager, QgsSettings

from msr_plugin.installer.downloads import fetch_all
from msr_plugin.installer.problems import InstallProblem

TORCH = "torch-1.0-py3-none-any.whl"


class Proxy(threading.Thread):
    """Hands requests on, as a proxy; refuses those without the name and password that it wants."""

    def __init__(self, wanted: str = "", answer: bytes = b"") -> None:
        super().__init__(daemon=True)
        self.wanted, self.answer = wanted, answer
        self.asked: list[str] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def run(self) -> None:
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                data = client.recv(4096)
                if not data:
                    return
                head += data
            line = head.split(b"\r\n")[0].decode()
            self.asked.append(line)
            if self.answer:
                client.sendall(self.answer)
                return
            key = base64.b64encode(self.wanted.encode())
            if self.wanted and b"Proxy-Authorization: Basic " + key not in head:
                refusal = b'HTTP/1.1 407 Who are you?\r\nProxy-Authenticate: Basic realm="x"\r\n'
                client.sendall(refusal + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
                return
            method, url, version = line.split(" ")
            host, _, path = url.removeprefix("http://").partition("/")
            name, _, port = host.partition(":")
            with socket.create_connection((name, int(port))) as server:
                server.sendall(head.replace(line.encode(), f"{method} /{path} {version}".encode(), 1))
                while select.select([server], [], [], 30)[0]:
                    data = server.recv(65536)
                    if not data:
                        return
                    client.sendall(data)


@pytest.fixture
def set_proxy(qgis_app):
    """Set the proxy as the page of QGIS' options does."""
    settings = QgsSettings()

    def apply(port: int, user: str = "", password: str = "", exceptions: str = "") -> None:
        values = {"Enabled": True, "Type": "HttpProxy", "Host": "127.0.0.1", "Port": str(port)}
        for key, value in {**values, "User": user, "Password": password}.items():
            settings.setValue(f"proxy/proxy{key}", value)
        settings.setValue("proxy/noProxyUrls", [exceptions] if exceptions else [])
        QgsNetworkAccessManager.instance().setupDefaultProxyAndCache()

    yield apply
    settings.remove("proxy")
    QgsNetworkAccessManager.instance().setupDefaultProxyAndCache()


@pytest.fixture
def get(plan, network, watcher, tmp_path):
    """Download the files of the plan, or others."""
    return lambda files=None: fetch_all(files or plan.files, tmp_path / "got", network, watcher.watcher)


def test_qgis_proxy_is_used(get, set_proxy, index) -> None:
    proxy = Proxy()
    proxy.start()
    set_proxy(proxy.port)
    get()
    assert any(TORCH in line for line in proxy.asked)


def test_its_exceptions_are_kept(get, set_proxy, index) -> None:
    proxy = Proxy()
    proxy.start()
    set_proxy(proxy.port, exceptions=index.url)
    get()
    assert proxy.asked == []


def test_its_password_goes_to_it_and_nowhere_else(get, set_proxy, watcher) -> None:
    proxy = Proxy("ada:sesame")
    proxy.start()
    set_proxy(proxy.port, "ada", "sesame")
    get()
    assert proxy.asked and not any("sesame" in line for line in watcher.lines)


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        (Proxy("ada:sesame"), r"asks for a name and a password.*Options > Network"),
        (Proxy(answer=b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), "HTTP 403"),
        (None, r"accepts no connections, or the proxy.*Options > Network"),
    ],
    ids=["password", "refuses", "gone"],
)
def test_a_proxy_that_refuses_is_told(get, set_proxy, proxy, words) -> None:
    if proxy is None:
        closed = Proxy()
        closed.socket.close()
        set_proxy(closed.port)
    else:
        proxy.start()
        set_proxy(proxy.port)
    with pytest.raises(InstallProblem, match=words):
        get()


def test_a_certificate_that_nobody_knows_is_told(get, plan, index, tmp_path) -> None:
    key, own = tmp_path / "key.pem", tmp_path / "own.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run([*command, "-keyout", str(key), "-out", str(own)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            client, _ = server.accept()
            try:
                context.wrap_socket(client, server_side=True).close()
            except OSError:
                client.close()

    threading.Thread(target=serve, daemon=True).start()
    url = f"https://localhost:{server.getsockname()[1]}/x.whl"
    with pytest.raises(InstallProblem, match=r"certificate of localhost is not trusted.*Manage Certificates"):
        get([replace(plan.files[-1], url=url)])


def test_an_error_while_bytes_come_is_raised_and_ends_no_process(plan, network, watcher, tmp_path) -> None:
    def refuse(size: int) -> None:
        raise ValueError("an odd number")

    file = next(file for file in plan.files if file.name == TORCH and file.sha256)
    with pytest.raises(ValueError, match="an odd number"):
        network.fetch(file, tmp_path / "part", refuse, watcher.watcher)


def test_a_reply_that_pyqt_has_lost_is_asked_for_again(plan, network, watcher, index, tmp_path) -> None:
    told = []

    def lose(size: int) -> None:
        told.append(size)
        if len(told) == 1:
            raise RuntimeError("wrapped C/C++ object of type QNetworkReply has been deleted")

    file = next(file for file in plan.files if file.name == TORCH and file.sha256)
    assert network.fetch(file, tmp_path / "part", lose, watcher.watcher) == file.sha256
    assert hashlib.sha256((tmp_path / "part").read_bytes()).hexdigest() == file.sha256
    assert sum(TORCH in path for path, _ in index.asked) == 2


def test_a_host_that_is_not_there_is_told(get, plan) -> None:
    with pytest.raises(InstallProblem, match=r"nowhere\.invalid cannot be found.*bundle"):
        get([replace(plan.files[-1], url="https://nowhere.invalid/x.whl")])


class TestWithoutAChecksum:
    """Files whose checksum the lock lacks: the index's page tells it, or nothing is taken."""

    @pytest.fixture
    def file(self, plan):
        (torch,) = [file for file in plan.wheels if file.name == TORCH]
        return replace(torch, sha256="", size=0)

    def page(self, index, checksum: str) -> None:
        text = f'<a href="/other.whl#sha256={"0" * 64}">o</a> <a href="./{TORCH}{checksum}">t</a>'
        (index.folder / "page.html").write_text(text)

    def test_the_page_tells_it(self, get, file, index, watcher) -> None:
        checksum = hashlib.sha256((index.folder / TORCH).read_bytes()).hexdigest()
        self.page(index, f"#sha256={checksum}")
        assert get([file])[TORCH][1] == checksum
        assert any("its checksum is taken from" in line for line in watcher.lines)
        asked = len(index.asked)
        get([file])  # what lies there is not loaded again
        assert [path for path, _ in index.asked[asked:]] == ["/", f"/{TORCH}"]

    @pytest.mark.parametrize("fragment", ["", "#md5=0", "#sha256=12"])
    def test_a_page_that_does_not_tell_it_ends_it(self, get, file, index, fragment) -> None:
        self.page(index, fragment)
        with pytest.raises(InstallProblem, match="does not tell the checksum"):
            get([file])

    def test_another_file_is_refused(self, get, file, index, tmp_path) -> None:
        self.page(index, f"#sha256={'0' * 64}")
        with pytest.raises(InstallProblem, match="checksum differs"):
            get([file])
        assert list((tmp_path / "got").iterdir()) == []
