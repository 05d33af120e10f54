"""Files from the internet, through QGIS, with its proxy and its certificates.

A proxy may be chosen by a script or have exceptions, as QGIS or the system is set. Who asks for a password
of the proxy's is answered by QGIS, too; none of it passes through here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from time import monotonic, sleep
from typing import IO
from urllib.parse import unquote, urljoin

from qgis.core import QgsNetworkAccessManager
from qgis.PyQt.QtCore import QEventLoop, QTimer, QUrl
from qgis.PyQt.QtNetwork import QNetworkReply, QNetworkRequest

from ..translation import tr
from .lock import LockedFile
from .problems import InstallCancelled, InstallProblem, refused_by_system, scrubbed
from .progress import Watcher

IDLE_SECONDS = 60.0  # without a byte; a slow line may take as long as it needs
ATTEMPTS = 3  # each goes on where the one before was cut
PAUSE = 2.0  # seconds between them
_POLL = 200  # milliseconds
_LARGEST_PAGE = 20_000_000  # bytes
_Error = QNetworkReply.NetworkError


class _Cut(Exception):
    """The connection ended before the file did: worth another attempt."""


class QgisNetwork:
    """The internet as a source of files."""

    online = True

    def fetch(self, file: LockedFile, part: Path, got: Callable[[int], None], watcher: Watcher) -> str:
        """Write a file to `part`, going on where that ends; return the checksum that it must have.

        Args:
            got: is told the bytes that `part` has.

        Raises:
            InstallProblem: it cannot be had.
        """
        url, checksum = (file.url, file.sha256) if file.sha256 else self._listed(file, watcher)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                _Download(url, watcher, part, got).run()
                return checksum
            except _Cut as cut:
                watcher.log(f"{file.name}: {cut}")
                if attempt == ATTEMPTS:
                    raise InstallProblem(
                        tr("{}: {} Try again: it goes on where it was cut.").format(file.name, cut)
                    ) from None
                _wait(PAUSE, watcher)
        raise InstallProblem(file.name)

    def _listed(self, file: LockedFile, watcher: Watcher) -> tuple[str, str]:
        """Return address and checksum of a file, as its index's page says them."""
        watcher.log(tr("{}: its checksum is taken from {}").format(file.name, scrubbed(file.page)))
        try:
            page = _Download(file.page, watcher).run().decode("utf-8", "replace")
        except _Cut as cut:
            raise InstallProblem(f"{file.page}: {cut}") from None
        links = _Links()
        links.feed(page)
        for link in links.all:
            address, _, fragment = urljoin(file.page, link).partition("#")
            if unquote(address.rpartition("/")[2]) == file.name:
                match = re.fullmatch("sha256=([0-9a-f]{64})", fragment)
                if match:
                    return address, match[1]
        raise InstallProblem(
            tr("{} does not tell the checksum of {}, so it was not downloaded.").format(file.page, file.name)
        )


class _Links(HTMLParser):
    """The addresses on an index's page."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an address."""
        self.all += [value for key, value in attrs if tag == "a" and key == "href" and value]


class _Download:
    """One request, waited for on this thread; to a file, or into memory where none is given."""

    def __init__(
        self,
        url: str,
        watcher: Watcher,
        part: Path | None = None,
        got: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.url = url
        self._watcher = watcher
        self._part = part
        self._got = got
        self._text = bytearray()
        self._file: IO[bytes] | None = None
        self._size = 0  # of the part
        self._heard = monotonic()
        self._problem: Exception | None = None
        self._begun = False

    def run(self) -> bytes:
        """Download it; return what came where there is no file.

        Raises:
            _Cut: the connection ended early, or nothing came for long.
            InstallProblem: anything else.
        """
        if self._part is not None:
            try:
                self._file = self._part.open("ab")
                self._size = self._file.tell()
            except OSError as error:
                raise refused_by_system(self._part, error) from error
        try:
            self._wait_for(QgsNetworkAccessManager.instance().get(self._request()))
        finally:
            if self._file is not None:
                self._file.close()
        if self._problem is not None:
            raise self._problem
        return bytes(self._text)

    def _request(self) -> QNetworkRequest:
        request = QNetworkRequest(QUrl(self.url))
        request.setAttribute(
            QNetworkRequest.Attribute.RedirectPolicyAttribute,
            QNetworkRequest.RedirectPolicy.NoLessSafeRedirectPolicy,
        )
        request.setAttribute(
            QNetworkRequest.Attribute.CacheLoadControlAttribute,
            QNetworkRequest.CacheLoadControl.AlwaysNetwork,
        )
        request.setAttribute(QNetworkRequest.Attribute.CacheSaveControlAttribute, False)
        request.setRawHeader(b"Accept-Encoding", b"identity")
        if self._size:
            request.setRawHeader(b"Range", f"bytes={self._size}-".encode())
        return request

    def _wait_for(self, reply: QNetworkReply) -> None:
        loop, timer = QEventLoop(), QTimer()

        # An error that leaves what Qt calls would end the process: it is kept, and raised by `run`.
        def keep(error: Exception) -> None:
            lost = isinstance(error, RuntimeError)  # PyQt's, where it has lost the reply: another will do
            self._problem = self._problem or (_Cut(f"{error}.") if lost else error)
            loop.quit()

        def look() -> None:
            try:
                if self._problem is None and self._watcher.is_cancelled():
                    self._stop(reply, InstallCancelled())
                elif self._problem is None and monotonic() - self._heard > IDLE_SECONDS:
                    self._stop(reply, _Cut(tr("nothing came for {} seconds.").format(round(IDLE_SECONDS))))
            except Exception as error:
                keep(error)

        def take() -> None:
            try:
                self._take(reply)
            except Exception as error:
                keep(error)

        reply.readyRead.connect(take)
        reply.finished.connect(loop.quit)
        timer.timeout.connect(look)
        timer.start(_POLL)
        if not reply.isFinished():
            loop.exec()
        timer.stop()
        with suppress(RuntimeError, TypeError):  # the reply outlives this call, and has more to tell
            reply.readyRead.disconnect(take)
        take()
        try:
            if self._problem is None:
                self._problem = self._ended(reply)
            reply.abort()
            reply.deleteLater()
        except RuntimeError as error:
            keep(error)

    def _take(self, reply: QNetworkReply) -> None:
        """Keep what has come (called for each piece)."""
        data = bytes(reply.readAll())
        self._heard = monotonic()
        if self._problem is not None or not data:
            return
        status = reply.attribute(QNetworkRequest.Attribute.HttpStatusCodeAttribute)
        if status not in (200, 206):
            return
        try:
            if self._file is None:
                self._text += data
                if len(self._text) > _LARGEST_PAGE:
                    self._stop(reply, InstallProblem(tr("{}: the page is too long.").format(self.url)))
                return
            if not self._begun and status == 200 and self._size:  # from the start, after all
                self._file.truncate(0)
                self._size = 0
            self._begun = True
            self._file.write(data)
            self._size += len(data)
        except OSError as error:
            self._stop(reply, refused_by_system(self._part, error))
            return
        self._got(self._size)

    def _stop(self, reply: QNetworkReply, problem: Exception) -> None:
        self._problem = problem
        reply.abort()

    def _ended(self, reply: QNetworkReply) -> Exception | None:
        """Return what went wrong, None where it is whole as far as the network knows."""
        status = reply.attribute(QNetworkRequest.Attribute.HttpStatusCodeAttribute)
        if status == 416 and self._part is not None:  # nothing is left to get, or the part is no part of it
            return None
        if reply.error() == _Error.NoError and status in (200, 206):
            return None
        host = QUrl(self.url).host()
        for names, sentence, again in _sentences():
            if reply.error() in [getattr(_Error, name) for name in names]:
                return _Cut(sentence.format(host)) if again else InstallProblem(sentence.format(host))
        if status is not None and status >= 500:
            return _Cut(tr("{} has trouble of its own (HTTP {}).").format(host, status))
        if status is not None:
            return InstallProblem(tr("{} refused {} (HTTP {}).").format(host, scrubbed(self.url), status))
        return _Cut(f"{scrubbed(reply.errorString())}.")


def _wait(seconds: float, watcher: Watcher) -> None:
    end = monotonic() + seconds
    while monotonic() < end:
        if watcher.is_cancelled():
            raise InstallCancelled
        sleep(_POLL / 1000)


def _sentences() -> tuple[tuple[tuple[str, ...], str, bool], ...]:
    """Return Qt's errors → the sentence, with the host, and whether to try again."""
    proxy = tr("It is set under Settings > Options > Network.")
    return (
        (
            ("ProxyAuthenticationRequiredError",),
            tr("The proxy on the way to {} asks for a name and a password.") + " " + proxy,
            False,
        ),
        (
            (
                *("ProxyConnectionRefusedError", "ProxyConnectionClosedError"),
                *("ProxyNotFoundError", "ProxyTimeoutError", "UnknownProxyError"),
            ),
            tr("The proxy on the way to {} does not answer, or refuses.") + " " + proxy,
            False,
        ),
        (
            ("SslHandshakeFailedError",),
            tr(
                "The certificate of {} is not trusted here. Where an organisation or a virus scanner looks "
                "into connections, add its certificate under Settings > Options > Authentication > "
                "Manage Certificates."
            ),
            False,
        ),
        (
            ("HostNotFoundError",),
            tr("{} cannot be found: is there a connection? Without one, install from a bundle."),
            False,
        ),
        (
            ("ConnectionRefusedError",),
            tr(
                "{} accepts no connections, or the proxy does not that is set under Settings > Options > "
                "Network."
            ),
            False,
        ),
        (
            (
                "RemoteHostClosedError",
                "TimeoutError",
                "TemporaryNetworkFailureError",
                "NetworkSessionFailedError",
            ),
            tr("the connection to {} was cut."),
            True,
        ),
    )
