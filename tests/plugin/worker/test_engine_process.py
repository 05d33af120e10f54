"""The worker's process, against a fake one that misbehaves in every way we could think of."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from msr_plugin.worker import engine_process
from msr_plugin.worker.engine_process import EngineProcess, WorkerCancelled, WorkerError
from msr_plugin.worker.engine_service import EngineService
from msr_plugin.worker.environment import scrubbed_environment


def run(process, heard=None, cancel=lambda: False, **request):
    """Run one job; messages go to `heard`."""
    return process.run("super_resolve", request, (heard if heard is not None else []).append, cancel)


def after(seconds: float):
    """Return a poll that turns true after some seconds."""
    start = time.monotonic()
    return lambda: time.monotonic() - start > seconds


def gone(pid: int) -> bool:
    """Whether no process has this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture
def patient(monkeypatch):
    """Time enough for a worker to obey a cancel, however busy this machine is."""
    monkeypatch.setattr(engine_process, "ASKED_SECONDS", 60.0)


def test_a_run_gives_messages_and_result(start_fake):
    process = start_fake("good")
    assert process.wait_for_hello()["version"] == "0.1.0"
    heard = []
    assert run(process, heard, tile=3)["echo"] == {"tile": 3}
    assert [m["type"] for m in heard] == ["progress", "log", "progress"]
    assert run(process)["pid"] == process.pid  # the same worker serves again


@pytest.mark.parametrize("behaviour", ["noise", "malformed"])
def test_what_is_no_message_does_no_harm(start_fake, behaviour):
    process = start_fake(behaviour)
    process.wait_for_hello()
    assert run(process, key="å")["echo"] == {"key": "å"}
    assert run(process)["pid"] == process.pid
    if behaviour == "noise":
        assert "a library prints" in process.tail or "yyy" in process.tail


@pytest.mark.parametrize(
    ("behaviour", "kind", "words"),
    [
        ("refuses", "version", "refuses plugin"),
        ("other version", "version", "9.9.9"),
        ("other protocol", "version", "protocol 7"),
        ("dies", "start", "its Python lacks torch"),
    ],
)
def test_a_worker_that_does_not_fit_is_refused_and_stopped(start_fake, behaviour, kind, words):
    process = start_fake(behaviour)
    with pytest.raises(WorkerError, match=words) as caught:
        process.wait_for_hello()
    assert caught.value.kind == kind
    assert gone(process.pid)


def test_a_silent_worker_is_given_up(start_fake):
    process = start_fake("silent")
    with pytest.raises(WorkerError, match="did not answer"):
        process.wait_for_hello(timeout=0.5)
    assert gone(process.pid)


def test_cancel_while_the_worker_starts(start_fake):
    process = start_fake("silent")
    with pytest.raises(WorkerCancelled):
        process.wait_for_hello(after(0.3))
    assert gone(process.pid)


def test_a_program_that_is_none(tmp_path):
    with pytest.raises(WorkerError, match="could not start: there is no such file or folder") as caught:
        EngineProcess(tmp_path / "absent", tmp_path, "0.1.0", {})
    assert caught.value.kind == "start"


def test_an_error_message_becomes_a_sentence_and_the_worker_lives(start_fake):
    process = start_fake("good")
    process.wait_for_hello()
    with pytest.raises(WorkerError, match="The target has no data") as caught:
        run(process, do="fail")
    assert (caught.value.kind, caught.value.detail) == ("input", "Traceback: fake")
    with pytest.raises(WorkerError, match="without saying why"):
        run(process, do="bare error")
    assert run(process, do="odd result") == {}
    assert run(process)["pid"] == process.pid


def test_cancel_is_obeyed_and_the_worker_stays_warm(start_fake, patient):
    process = start_fake("slow")
    process.wait_for_hello()
    with pytest.raises(WorkerCancelled) as caught:
        run(process, cancel=after(0.2))
    assert caught.value.clean  # the worker lives
    assert run(process, do="good")["pid"] == process.pid


@pytest.mark.parametrize("behaviour", ["hang", "stubborn"])
def test_a_worker_that_ignores_cancel_is_stopped(start_fake, behaviour):
    process = start_fake(behaviour)
    process.wait_for_hello()
    with pytest.raises(WorkerCancelled) as caught:
        run(process, cancel=after(0.2))
    assert not caught.value.clean
    assert gone(process.pid)
    assert not process.alive


def test_a_result_that_comes_after_cancel_is_none(start_fake, patient):
    process = start_fake("late")
    process.wait_for_hello()
    with pytest.raises(WorkerCancelled) as caught:
        run(process, cancel=after(0.2))
    assert caught.value.clean  # the worker lives


@pytest.mark.parametrize(
    ("behaviour", "words"), [("crash", "exit status 3"), ("killed", r"killed \(signal 9\)")]
)
def test_a_worker_that_dies_is_one_clear_error(start_fake, behaviour, words):
    process = start_fake(behaviour)
    process.wait_for_hello()
    with pytest.raises(WorkerError, match=words) as caught:
        run(process)
    assert caught.value.kind == "died"
    if behaviour == "crash":
        assert "Segmentation fault of the fake" in caught.value.detail
    with pytest.raises(WorkerError):  # and stays dead
        run(process)


@pytest.mark.parametrize("behaviour", ["crash", "good"])
def test_a_worker_that_is_gone_leaves_no_pipe_open(start_fake, behaviour):
    process = start_fake(behaviour)
    process.wait_for_hello()
    if behaviour == "crash":
        with pytest.raises(WorkerError):
            run(process)
    process.stop()
    streams = (process._process.stdin, process._process.stdout, process._process.stderr)
    for _ in range(500):
        if all(stream.closed for stream in streams):
            break
        time.sleep(0.02)
    assert [stream.closed for stream in streams] == [True, True, True]


def test_stop_asks_first_and_stop_again_is_harmless(start_fake):
    process = start_fake("good")
    process.wait_for_hello()
    process.stop(asked=60.0)
    assert gone(process.pid)
    assert process._process.returncode == 0  # it ended by itself
    process.stop()


def test_runs_of_several_threads_keep_apart(start_fake):
    process = start_fake("good")
    process.wait_for_hello()
    answers = {}
    threads = [
        threading.Thread(target=lambda n=n: answers.update({n: run(process, number=n)["echo"]}))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert answers == {n: {"number": n} for n in range(8)}


def ended(pid: int) -> bool:
    """Whether a process, perhaps not ours to reap, ends within a moment."""
    state = "R"
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def start_launched(fake_worker):
    """Start the fake worker through a launcher, as the python.exe of an environment on Windows is one."""
    started = []

    def start(behaviour: str) -> EngineProcess:
        command = [sys.executable, "-u", str(fake_worker), behaviour]
        program = f"import subprocess, sys; sys.exit(subprocess.call({command}))"
        started.append(
            EngineProcess(Path(sys.executable), Path.cwd(), "0.1.0", dict(os.environ), ["-c", program])
        )
        return started[-1]

    yield start
    for process in started:
        process.stop()


def test_the_process_id_is_the_workers_own_not_its_launchers(start_launched):
    process = start_launched("killed")
    launcher = process.pid
    told = process.wait_for_hello()["pid"]
    assert process.pid == told != launcher
    with pytest.raises(WorkerError) as error:
        run(process)
    assert error.value.kind == "died" and error.value.pid == told  # whose files are tidied


def test_stop_ends_the_worker_behind_its_launcher(start_launched):
    process = start_launched("good")
    process.wait_for_hello()
    assert process.alive
    process.stop()
    assert ended(process.pid) and not process.alive


class TestService:
    """The shared worker."""

    @pytest.fixture
    def service(self, start_fake, monkeypatch, fake_worker):
        monkeypatch.setenv("MSR_ENGINE_PYTHON", os.path.realpath(sys.executable))
        self.behaviours = ["good"]
        self.started = []

        def make(python: Path) -> EngineProcess:
            at = min(len(self.started), len(self.behaviours) - 1)
            self.started.append(start_fake(self.behaviours[at]))
            return self.started[-1]

        service = EngineService(make)
        yield service
        service.stop()

    @staticmethod
    def call(service, cancel=lambda: False, heard=None, **request):
        return service.run("super_resolve", request, (heard if heard is not None else []).append, cancel)

    def test_the_worker_is_shared_and_restarted_when_dead(self, service):
        first = self.call(service)["pid"]
        assert self.call(service)["pid"] == first
        with pytest.raises(WorkerError):
            self.call(service, do="killed")
        second = self.call(service)["pid"]
        assert second != first
        service.stop()
        assert gone(second)
        assert service.pid is None
        assert self.call(service)["pid"] != second

    def test_after_a_cancel_that_was_ignored_the_next_run_works(self, service):
        self.behaviours = ["stubborn", "good"]
        with pytest.raises(WorkerCancelled):
            self.call(service, after(0.2))
        assert self.call(service)["pid"] == self.started[1].pid

    @pytest.mark.parametrize("behaviour", ["leaves", "lingers"])
    def test_a_worker_that_ends_with_a_cancel_is_replaced(self, service, patient, monkeypatch, behaviour):
        monkeypatch.setattr(engine_process, "ENDING_SECONDS", 60.0 if behaviour == "leaves" else 0.1)
        self.behaviours = [behaviour, "good"]
        with pytest.raises(WorkerCancelled) as caught:
            self.call(service, after(0.2))
        assert not caught.value.clean  # what started another may do so at once
        assert caught.value.pid == self.started[0].pid  # whose files are tidied
        assert ended(self.started[0].pid) and service.pid is None
        assert self.call(service)["pid"] == self.started[1].pid

    def test_a_worker_that_was_killed_between_runs_is_replaced_without_a_word(self, service, monkeypatch):
        first = self.call(service)["pid"]
        with monkeypatch.context() as unseen:
            unseen.setattr(EngineProcess, "alive", True)  # as if we had not noticed yet
            os.kill(first, signal.SIGKILL)
            assert ended(first)
            process, fresh = service._ready(lambda _: None, lambda: False)
            assert process.pid == first and not fresh
            with pytest.raises(WorkerError) as caught:
                run(process)
        assert caught.value.before_start
        assert self.call(service)["pid"] == self.started[1].pid

    def test_a_worker_that_just_went_to_sleep_is_replaced_without_a_word(self, service):
        self.behaviours = ["good", "good"]
        first = self.call(service)["pid"]
        self.started[0].send({"type": "shutdown"})  # as if idle; we have not noticed yet
        assert self.call(service)["pid"] != first

    def test_runs_wait_for_each_other_and_can_be_cancelled_while_they_wait(self, service, patient):
        stop = threading.Event()
        errors = []

        def first():
            try:
                self.call(service, stop.is_set, do="slow")
            except WorkerCancelled as error:
                errors.append(error)

        thread = threading.Thread(target=first)
        thread.start()
        while service.pid is None:
            time.sleep(0.02)
        heard = []
        with pytest.raises(WorkerCancelled):
            self.call(service, after(0.3), heard)
        assert heard[0]["phase"] == "Waiting for another run to end"
        assert thread.is_alive()  # the other run was not disturbed
        stop.set()
        thread.join(120)
        assert len(errors) == 1
        assert self.call(service)["pid"] == self.started[0].pid

    def test_a_run_inside_a_run_of_the_same_thread_is_refused(self, service):
        inner = []

        def listen(message):
            with pytest.raises(WorkerError, match="still under way"):
                self.call(service)
            inner.append(message)

        service.run("super_resolve", {}, listen)
        assert inner
        assert self.call(service)["pid"] == self.started[0].pid

    def test_no_engine_is_a_sentence(self, service, monkeypatch, tmp_path):
        monkeypatch.setenv("MSR_ENGINE_PYTHON", str(tmp_path / "absent"))
        with pytest.raises(WorkerError, match="does not exist"):
            self.call(service)

    def test_another_interpreter_gets_another_worker(self, service, monkeypatch, tmp_path):
        first = self.call(service)["pid"]
        other = tmp_path / "python"
        other.symlink_to(os.path.realpath(sys.executable))
        monkeypatch.setenv("MSR_ENGINE_PYTHON", str(other))
        assert self.call(service)["pid"] != first
        assert gone(first)


class TestRealEngine:
    """The engine's own worker."""

    def test_it_refuses_a_plugin_of_another_version(self, engine_python, root):
        process = EngineProcess(engine_python, root, "9.9.9", scrubbed_environment())
        with pytest.raises(WorkerError, match=r"9\.9\.9") as caught:
            process.wait_for_hello()
        assert caught.value.kind == "version"
        assert gone(process.pid)

    def test_it_ends_when_qgis_is_killed(self, engine_python, root):
        program = (
            "import os, signal, sys; from pathlib import Path\n"
            "from msr_plugin.worker.engine_process import EngineProcess\n"
            "from msr_plugin.metadata import plugin_version\n"
            "from msr_plugin.worker.environment import scrubbed_environment\n"
            "python, version = Path(sys.argv[1]), plugin_version()\n"
            "process = EngineProcess(python, Path('.'), version, scrubbed_environment())\n"
            "process.wait_for_hello(); print(process.pid, flush=True)\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        command = [sys.executable, "-c", program, str(engine_python)]
        told = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=200, check=False)
        assert told.returncode == -signal.SIGKILL, told.stderr
        pid = int(told.stdout.split()[-1])
        end = time.monotonic() + 30
        while not gone(pid) and time.monotonic() < end:
            time.sleep(0.05)
        assert gone(pid)
