"""The dialog's check asks the warm worker, and never waits long nor starts one."""

from __future__ import annotations

import threading
import time

import numpy
import pytest
from qgis.core import QgsProcessingContext

from msr_plugin.algorithms import engine_check
from msr_plugin.algorithms.rasters import RasterProblem
from msr_plugin.worker.engine_process import WorkerError
from msr_plugin.worker.engine_service import SERVICE, EngineService


@pytest.fixture
def shown(monkeypatch):
    """What was shown as warnings; a window is there, and no check went before."""
    texts: list[str] = []
    monkeypatch.setattr(engine_check, "in_window", lambda: True)
    monkeypatch.setattr(engine_check, "show_warnings", texts.extend)
    monkeypatch.setattr(engine_check, "SECONDS", 60.0)  # a busy machine must not change what is tested
    engine_check._waits.clear()
    return texts


@pytest.fixture
def check(provider, shown):
    contexts = []

    def run(**parameters):
        contexts.append(QgsProcessingContext())
        given = {"METHOD": "bilinear", "FACTOR": 2, "OUTPUT": "TEMPORARY_OUTPUT", **parameters}
        return provider.algorithm("baseline").create().checkParameterValues(given, contexts[-1])

    yield run
    contexts.clear()


@pytest.fixture
def warm(provider, shown):
    """The shared worker, started, with what a check imports."""
    SERVICE.run("models", {}, lambda message: None)
    return SERVICE


def test_the_warm_worker_refuses_in_the_dialogs_check(check, warm, write_raster):
    two = write_raster("two.tif", numpy.ones((2, 6, 6)))
    pid = warm.pid
    fine, sentence = check(TARGET=two)
    assert not fine
    assert sentence.startswith("Target raster (coarse) (TARGET) has 2 bands") and "(TARGET_BAND)" in sentence
    assert check(TARGET=two, TARGET_BAND=1) == (True, "")
    assert warm.pid == pid


def test_warnings_are_shown_and_refuse_nothing(check, warm, shown, write_raster):
    target = write_raster("target.tif", numpy.ones((20, 24)))
    assert check(TARGET=target, EXTENT="0,60,30,50 [EPSG:4326]", RESOLUTION=0.5) == (True, "")
    assert any(text.startswith("Target raster (coarse) (TARGET)") and "cover" in text for text in shown)


def test_no_worker_is_started(check, shown, write_raster):
    SERVICE.stop()
    assert check(TARGET=write_raster("two.tif", numpy.ones((2, 6, 6)))) == (True, "")
    assert SERVICE.pid is None


def test_opening_the_dialog_makes_the_first_check_a_warm_one(check, provider, write_raster):
    SERVICE.stop()
    algorithm = provider.algorithm("baseline").create()
    assert algorithm.createCustomParametersWidget() is None  # the dialog is QGIS' own
    fine, sentence = check(TARGET=write_raster("two.tif", numpy.ones((2, 6, 6))))
    assert not fine and "has 2 bands" in sentence


def test_scripts_do_not_ask_twice(check, warm, monkeypatch, write_raster):
    monkeypatch.setattr(engine_check, "in_window", lambda: False)
    assert check(TARGET=write_raster("two.tif", numpy.ones((2, 6, 6)))) == (True, "")


def test_all_checks_of_a_while_share_one_time(shown, monkeypatch):
    asked = []

    def slow(job, request, seconds):
        asked.append(seconds)
        time.sleep(0.3)

    monkeypatch.setattr(engine_check, "SECONDS", 0.5)
    monkeypatch.setattr(engine_check.SERVICE, "ask", slow)
    for _ in range(5):
        engine_check.ask_engine({}, str)
    assert len(asked) == 2 and asked[1] < 0.25


@pytest.mark.parametrize(
    ("kind", "refused"), [("input", True), ("package", True), ("died", False), ("failure", False)]
)
def test_only_what_the_user_can_mend_is_refused(shown, monkeypatch, kind, refused):
    def fail(*_):
        raise WorkerError(kind, "date: none.")

    monkeypatch.setattr(engine_check.SERVICE, "ask", fail)
    if refused:
        with pytest.raises(RasterProblem, match="DATE: none"):
            engine_check.ask_engine({}, lambda text: text.replace("date", "DATE"))
    else:
        engine_check.ask_engine({}, str)


class TestAsking:
    """`EngineService.ask` with a worker that misbehaves."""

    @pytest.fixture
    def service(self, start_fake, engine_python, monkeypatch):
        monkeypatch.setenv("MSR_ENGINE_PYTHON", str(engine_python))
        service = EngineService(lambda python: start_fake("ok"))
        service.run("super_resolve", {}, lambda message: None)
        yield service
        service.stop()

    def test_an_answer_comes_back(self, service):
        answer = service.ask("check", {"a": 1}, 60.0)
        assert answer is not None and answer["echo"] == {"a": 1}

    def test_a_refusal_is_raised(self, service):
        with pytest.raises(WorkerError, match="no data"):
            service.ask("check", {"do": "fail"}, 60.0)

    def test_a_late_answer_is_given_up_and_the_next_run_goes_on(self, service):
        pid = service.pid
        assert service.ask("check", {"do": "slow"}, 0.2) is None
        assert service.run("super_resolve", {}, lambda message: None)["pid"] == pid

    def test_a_worker_that_hangs_or_dies_is_replaced(self, service):
        for behaviour in ("hang", "crash"):
            first = service.pid
            assert first is not None
            if behaviour == "hang":
                assert service.ask("check", {"do": behaviour}, 0.2) is None
            else:
                with pytest.raises(WorkerError):
                    service.ask("check", {"do": behaviour}, 60.0)
            assert service.run("super_resolve", {}, lambda message: None)["pid"] != first

    def test_warming_up_starts_a_worker_that_the_next_run_takes(self, service):
        service.stop()
        service.warm_up()
        service.warm_up()  # one of them will do
        told = []
        result = service.run("super_resolve", {}, told.append)
        assert result["pid"] == service.pid
        assert not any(message.get("phase") == "Waiting for another run to end" for message in told)

    def test_a_worker_that_cannot_start_is_told_by_the_run(self, start_fake, engine_python, monkeypatch):
        monkeypatch.setenv("MSR_ENGINE_PYTHON", str(engine_python))
        service = EngineService(lambda python: start_fake("other version"))
        service.warm_up()
        with pytest.raises(WorkerError) as failure:
            service.run("super_resolve", {}, lambda message: None)
        assert failure.value.kind == "version"

    def test_without_engine_nothing_is_warmed_up(self, service, monkeypatch, tmp_path):
        service.stop()
        monkeypatch.setenv("MSR_ENGINE_PYTHON", str(tmp_path / "none"))
        service.warm_up()
        assert service.pid is None and not service._turn.locked()

    def test_an_idle_worker_is_released_a_busy_one_is_not(self, service):
        assert service.pid is not None
        assert service._turn.acquire(blocking=False)
        assert not service.release() and service.pid is not None
        service._turn.release()
        assert service.release() and service.pid is None

    def test_a_busy_worker_is_not_asked(self, service):
        stop, heard = threading.Event(), threading.Event()

        def busy():
            with pytest.raises(WorkerError):
                service.run("super_resolve", {"do": "slow"}, lambda message: heard.set(), stop.is_set)

        thread = threading.Thread(target=busy)
        thread.start()
        assert heard.wait(60)
        assert service.ask("check", {}, 60.0) is None
        stop.set()
        thread.join(60)
        assert not thread.is_alive()


def test_the_last_result_as_target_is_refused_in_the_dialog_alone(
    check, warm, monkeypatch, write_raster, tmp_path
):
    import processing

    from msr_plugin.algorithms import preflight

    monkeypatch.setattr(preflight, "in_dialog", lambda algorithm: algorithm == "msr:baseline")
    coarse, fine = write_raster("coarse.tif", numpy.ones((6, 6))), str(tmp_path / "fine.tif")
    given = {"TARGET": coarse, "METHOD": "bilinear", "FACTOR": 2, "OUTPUT": fine}
    processing.run("msr:baseline", given)
    accepted, sentence = check(TARGET=fine)
    assert not accepted
    assert sentence.startswith("Target raster (coarse) (TARGET) is the result that this algorithm wrote last")
    assert check(TARGET=coarse) == (True, "")
    monkeypatch.setattr(preflight, "in_dialog", lambda algorithm: False)
    assert check(TARGET=fine) == (True, "")


def test_a_result_as_target_is_told_in_the_dialog(check, warm, shown, write_raster, tmp_path):
    import processing

    fine = str(tmp_path / "fine.tif")
    given = {"TARGET": write_raster("coarse.tif", numpy.ones((6, 6))), "FACTOR": 2, "OUTPUT": fine}
    processing.run("msr:baseline", {**given, "METHOD": "bilinear"})
    assert check(TARGET=fine) == (True, "")
    assert any("is itself a result of MSR (bilinear)" in text for text in shown)


def test_cells_of_another_size_than_in_training_are_told_in_the_dialog(
    provider, warm, shown, rasters, write_raster
):
    target = write_raster("wide.tif", numpy.ones((4, 5)), resolution=5.0)
    given = {"TARGET": target, "SOURCE_ELEVATION": rasters["elevation"], "OUTPUT": "TEMPORARY_OUTPUT"}
    assert provider.algorithm("tinyrain").create().checkParameterValues(given, QgsProcessingContext())[0]
    assert any(
        text.startswith("The coarse cells are") and "but training had 111 km" in text for text in shown
    )
