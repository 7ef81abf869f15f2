from __future__ import annotations

from app.engine.observe import BatchReport
from app.engine.types import EngineHealth, LaneHealth, LaneState, Operation, Priority
from app.metrics import Metrics
from tests.app.fakes import FakeEngine


def test_each_runtime_counts_for_itself() -> None:
    one, other = Metrics(), Metrics()
    one.observe_request("GET", "/x", 200, 0.01)
    assert 'route="/x"' in one.render().decode()
    assert 'route="/x"' not in other.render().decode()


def test_made_up_methods_share_a_label() -> None:
    metrics = Metrics()
    for method in ("BREW", "COOK", "GET"):
        metrics.observe_request(method, "/x", 405, 0.01)
    text = metrics.render().decode()
    assert 'tastespace_http_requests_total{method="other",route="/x",status="405"} 2.0' in text
    assert "BREW" not in text


def test_the_engine_reports_batches_refusals_and_restarts() -> None:
    metrics = Metrics()
    metrics.batch_finished(BatchReport("encoder", Operation.ENCODE_TEXT, Priority.BULK, 3, 1, (0.01, 0.02, 0.03), 0.5))
    metrics.submission_refused("encoder", 7)
    metrics.worker_restarted("encoder")
    text = metrics.render().decode()
    for line in (
        'tastespace_engine_batch_items_sum{lane="encoder",operation="encode_text"} 3.0',
        'tastespace_engine_batch_seconds_count{lane="encoder",operation="encode_text"} 1.0',
        'tastespace_engine_wait_seconds_count{lane="encoder",priority="bulk"} 3.0',
        'tastespace_engine_refused_items_total{lane="encoder"} 7.0',
        'tastespace_engine_restarts_total{lane="encoder"} 1.0',
    ):
        assert line in text, line


def test_state_is_read_when_scraped() -> None:
    metrics = Metrics()
    queued = [0]

    def health() -> EngineHealth:
        lane = LaneHealth("encoder", LaneState.FAILED, "died", queued[0], 1, 10, 2, "cpu")
        return EngineHealth(ready=False, lanes=(lane,))

    metrics.watch(
        health, lambda: {"index_items": {"recipe": 5}}, lambda: {"encoder": FakeEngine().info, "captioner": None}
    )
    queued[0] = 4
    text = metrics.render().decode()
    for line in (
        'tastespace_engine_queued_items{lane="encoder"} 4.0',
        'tastespace_engine_lane_ready{device="cpu",lane="encoder"} 0.0',
        'tastespace_engine_items_total{lane="encoder",outcome="failed"} 2.0',
        'tastespace_index_items{kind="recipe"} 5.0',
        f'tastespace_model_info{{fingerprint="{"f" * 64}",model="encoder",name="fake"}} 1.0',
    ):
        assert line in text, line
