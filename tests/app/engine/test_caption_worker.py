from __future__ import annotations

import pickle
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import models.captioning
from app.engine.caption_worker import CaptionWorker
from app.engine.process import ProcessSpec
from app.engine.specs import CaptionerSpec
from app.engine.types import Operation, Payload, PhotoToCaption
from app.engine.workers import ItemError, SelfTestError, Worker, WorkerDiedError
from models.captioning.types import (
    Caption,
    CaptionerInfo,
    CaptionerUnavailableError,
    CaptionOptionError,
    CaptionOptions,
)
from models.types import UInt8Array
from tests.app.fakes import CAPTIONER, COLOURS, captions_of


class FakeCaptioner:
    """Captions as the service's fake engine does; ``found`` replaces what it finds."""

    def __init__(self, info: CaptionerInfo = CAPTIONER) -> None:
        self.info = info
        self.calls: list[tuple[int, CaptionOptions]] = []
        self.found: list[Caption] | None = None

    def caption_pixels(self, pixels: UInt8Array, options: CaptionOptions) -> list[list[Caption]]:
        self.calls.append((len(pixels), options))
        return [list(captions_of(each, options)) if self.found is None else self.found for each in pixels]


@pytest.fixture
def loading(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stands in for models.captioning.loading and torch."""
    state: dict[str, Any] = {"captioner": FakeCaptioner(), "threads": None}

    def load_captioner(spec: str, **how: Any) -> FakeCaptioner:
        state["asked"] = (spec, how)
        captioner: FakeCaptioner = state["captioner"]
        return captioner

    module, torch = types.ModuleType("models.captioning.loading"), types.ModuleType("torch")
    module.load_captioner = load_captioner  # type: ignore[attr-defined]
    torch.set_num_threads = lambda count: state.update(threads=count)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "models.captioning.loading", module)
    monkeypatch.setattr(models.captioning, "loading", module, raising=False)
    monkeypatch.setitem(sys.modules, "torch", torch)
    return state


def loaded(captioner: FakeCaptioner, loading: dict[str, Any]) -> CaptionWorker:
    loading["captioner"] = captioner
    worker = CaptionerSpec("captioner", "some-captioner", threads=3).build()
    worker.load()
    return worker


def photo(food: str, **options: Any) -> PhotoToCaption:
    return PhotoToCaption(np.full((14, 14, 3), COLOURS[food], np.uint8), CaptionOptions(**options))


def test_a_spec_travels_and_builds_its_worker(loading: dict[str, Any]) -> None:
    worker: Worker = pickle.loads(pickle.dumps(CaptionerSpec("captioner", "some-captioner", "cuda:1", 3))).build()
    assert worker.operations == {Operation.CAPTION}
    assert (worker.device, worker.info, worker.is_alive, worker.abort()) == ("cuda:1", None, True, False)
    worker.load()
    worker.self_test()
    assert loading["asked"] == ("some-captioner", {"device": "cuda:1"})
    assert loading["threads"] == 3
    assert (worker.info, worker.device) == (CAPTIONER, "cpu")


def test_photos_with_the_same_options_share_a_search_and_all_keep_their_order(loading: dict[str, Any]) -> None:
    captioner = FakeCaptioner()
    worker = loaded(captioner, loading)
    photos = [photo("rice", style="dish"), photo("tomato"), photo("meat", style="dish"), photo("pasta")]
    captions = worker.run(Operation.CAPTION, photos)
    assert [each[0].words[-1].text for each in captions] == ["rice", "tomato", "meat", "pasta"]
    assert captioner.calls == [(2, CaptionOptions(style="dish")), (2, CaptionOptions())]
    assert all(isinstance(each, tuple) for each in captions)


def test_a_batch_with_an_unfit_photo_is_refused_before_any_is_captioned(loading: dict[str, Any]) -> None:
    captioner = FakeCaptioner(replace(CAPTIONER, grid=None, styles=("general",)))
    worker = loaded(captioner, loading)
    small = PhotoToCaption(np.zeros((13, 14, 3), np.uint8), CaptionOptions())
    unfit: list[tuple[Payload, type[Exception], str]] = [
        (small, ItemError, r"shape \(14, 14, 3\)"),
        ("soup", ItemError, "PhotoToCaption"),
        (photo("rice", attention=True), CaptionOptionError, "no attention maps"),
        (photo("rice", style="dish"), CaptionOptionError, "no style 'dish'"),
    ]
    for payload, error, sentence in unfit:
        with pytest.raises(error, match=sentence):
            worker.run(Operation.CAPTION, [photo("rice"), payload])
    assert captioner.calls == []
    with pytest.raises(ValueError, match="a captioner can't encode_text"):
        worker.run(Operation.ENCODE_TEXT, ["soup"])


def test_the_self_test_asks_for_maps_only_where_there_are_any(loading: dict[str, Any]) -> None:
    for grid in (None, (7, 7)):
        captioner = FakeCaptioner(replace(CAPTIONER, grid=grid))
        loaded(captioner, loading).self_test()
        assert [options.attention for _, options in captioner.calls] == [grid is not None]


@pytest.mark.parametrize(
    ("found", "sentence"),
    [([], "found no caption"), ([Caption("x", (), float("nan"))], "without a probability")],
)
def test_the_self_test_finds_a_captioner_that_breaks_its_promise(
    loading: dict[str, Any], found: list[Caption], sentence: str
) -> None:
    captioner = FakeCaptioner()
    captioner.found = found
    with pytest.raises(SelfTestError, match=f"a grey square can't be captioned: .*{sentence}"):
        loaded(captioner, loading).self_test()


def test_a_worker_that_is_not_loaded_is_dead(loading: dict[str, Any]) -> None:
    with pytest.raises(WorkerDiedError, match="not loaded"):
        CaptionWorker("some-captioner").run(Operation.CAPTION, [photo("rice")])
    worker = loaded(FakeCaptioner(), loading)
    worker.close()
    worker.close()
    assert worker.info is None


def test_the_models_own_words_about_a_failed_load_are_passed_on() -> None:
    with pytest.raises(CaptionerUnavailableError, match="no captioner is called 'nonsense'"):
        CaptionWorker("nonsense").load()


@pytest.mark.weights
def test_a_real_captioner_says_the_same_in_a_thread_and_in_a_process(tmp_path: Path) -> None:
    from tests.models.captioning.samples import save_small

    save_small(tmp_path)
    spec = CaptionerSpec("captioner", f"tell:{tmp_path}", threads=1)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    options = CaptionOptions(beams=2, num_captions=2, max_words=4, attention=True)
    found: list[list[tuple[Caption, ...]]] = []
    for worker in (spec.build(), ProcessSpec(spec).build()):
        worker.load()
        try:
            worker.self_test()
            values = worker.run(Operation.CAPTION, [PhotoToCaption(each, options) for each in pixels])
            found.append([value for value in values if isinstance(value, tuple)])
        finally:
            worker.close()
    for here, there in zip(*found, strict=True):
        assert len(here) >= 1
        for one, other in zip(here, there, strict=True):
            assert (one.text, one.words, one.log_probability) == (other.text, other.words, other.log_probability)
            assert one.attention is not None
            assert other.attention is not None
            assert np.array_equal(one.attention, other.attention)
