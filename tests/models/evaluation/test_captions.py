"""The evaluation of captions end to end, by a captioner that knows and one that doesn't."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from models.captioning.types import CaptionOptionError
from models.data import DataError
from models.evaluation.caption_metrics import CiderD, bleu, tokenize_reference, word_f1
from models.evaluation.captions import evaluate_captions
from tests.models.evaluation.caption_world import (
    COLOURS,
    ColourCaptioner,
    captions_of,
    write_captions,
    write_titles,
)

KEYS = {"bleu1", "bleu2", "bleu3", "bleu4", "bleu_no_brevity", "rougel", "meteor", "cider", "word_f1"}
KEYS |= {"vocabulary", "mean_length", "distinct1", "distinct2", "not_in_training"}


@pytest.fixture(autouse=True)
def _no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    """METEOR takes seconds to start and is tested by itself."""
    found = shutil.which
    monkeypatch.setattr("shutil.which", lambda name, *more: None if name == "java" else found(name, *more))


def test_captions_are_written_freely_and_scored(tmp_path: Path) -> None:
    captioner = ColourCaptioner()
    seen: list[tuple[str, int, int]] = []
    report = evaluate_captions(
        captioner,
        write_captions(tmp_path),
        beams=3,
        neighbours=COLOURS,
        on_progress=lambda *step: seen.append(step),
    )
    assert {(options.style, options.beams, options.num_captions) for options in captioner.asked} == {("general", 3, 1)}
    record = report.to_json()
    assert record.keys() >= KEYS
    assert record["photos"] == 8
    assert record["references_per_photo"] == 3
    for key in ("bleu1", "bleu4", "rougel", "word_f1"):
        assert record[key] == pytest.approx(1)
    assert record["bleu_no_brevity"] == pytest.approx([1] * 4)
    assert record["meteor"] is None
    assert record["spice"] is None
    assert record["tokenizer"] == "pure Python"
    assert record["scorers"] == "pycocoevalcap 1.2"
    assert any("METEOR is left out" in note for note in record["notes"])
    assert any("SPICE is left out" in note for note in record["notes"])
    assert record["not_in_training"] == 1  # no training photo shows the same animal in the same place
    assert ("captions", 8, 8) in seen
    assert report.captions[0].id == "photo-2"
    assert report.captions[0].caption == captions_of(0, 2)[0]
    assert report.captions[0].references == tuple(captions_of(0, 2))


def test_scores_are_those_of_the_metrics(tmp_path: Path) -> None:
    report = evaluate_captions(ColourCaptioner(known=3), write_captions(tmp_path))
    references = [[tokenize_reference(text) for text in each.references] for each in report.captions]
    written = [tokenize_reference(each.caption) for each in report.captions]
    scores = report.measured.scores
    assert scores.bleu == pytest.approx(bleu(references, written))
    assert scores.bleu_no_brevity == pytest.approx(bleu(references, written, brevity=False))
    assert scores.bleu[0] < scores.bleu_no_brevity[0]
    assert scores.cider == pytest.approx(CiderD(references).score(written)[0])
    assert scores.word_f1 == pytest.approx(word_f1(references, written))
    assert report.notes[0] == "3 of 8 photos got no caption, which counts as an empty one"


def test_the_nearest_training_photos_are_a_baseline(tmp_path: Path) -> None:
    report = evaluate_captions(ColourCaptioner(), write_captions(tmp_path), neighbours=COLOURS)
    assert report.neighbours == "mean colours"
    assert set(report.baselines) == {"nearest", "consensus_of_90"}
    nearest = report.baselines["nearest"]
    assert 0 < nearest.scores.bleu[3] < 1
    assert nearest.scores.cider < report.measured.scores.cider
    assert nearest.not_in_training == 0
    assert report.to_json()["baselines"]["nearest"].keys() >= KEYS


def test_titles_are_references_of_the_dish_style(tmp_path: Path) -> None:
    captioner = ColourCaptioner()
    report = evaluate_captions(captioner, write_titles(tmp_path), neighbours=COLOURS)
    assert report.style == "dish"
    assert captioner.asked[0].style == "dish"
    record = report.to_json()
    assert record["photos"] == 8  # the recipe without a photo is not there
    assert record["references_per_photo"] == 1
    assert record["word_f1"] == pytest.approx(1)
    assert 0 < record["baselines"]["nearest"]["word_f1"] < 1


def test_a_folder_with_both_files_is_read_by_style(tmp_path: Path) -> None:
    write_titles(write_captions(tmp_path))
    assert evaluate_captions(ColourCaptioner(), tmp_path).captions[0].id == "photo-2"
    assert evaluate_captions(ColourCaptioner(), tmp_path, style="dish").captions[0].id.startswith("dish-")


@pytest.mark.parametrize("splits", [("val",), ("test", "val")])
def test_data_without_a_training_split_is_scored_all_the_same(splits: tuple[str, ...], tmp_path: Path) -> None:
    report = evaluate_captions(ColourCaptioner(), write_captions(tmp_path, splits), neighbours=COLOURS)
    assert report.measured.scores.bleu[0] == pytest.approx(1)
    assert report.measured.not_in_training is None
    assert report.baselines == {}
    assert report.neighbours is None
    assert "left out: the data has no photos of split 'train'" in report.notes[0]


def test_the_training_split_is_not_held_to_itself(tmp_path: Path) -> None:
    report = evaluate_captions(ColourCaptioner(), write_captions(tmp_path), "train", neighbours=COLOURS)
    assert report.baselines == {}
    assert "the measured split is the training split" in report.notes[0]


def test_without_vectors_the_baseline_is_left_out_with_a_note(tmp_path: Path) -> None:
    report = evaluate_captions(ColourCaptioner(), write_captions(tmp_path))
    assert report.baselines == {}
    assert report.measured.not_in_training == 1
    assert any("no vectors were given" in note for note in report.notes)


def test_what_can_not_be_measured_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither captions\.jsonl nor recipes\.jsonl"):
        evaluate_captions(ColourCaptioner(), tmp_path)
    write_captions(tmp_path)
    with pytest.raises(DataError, match="no photo with a caption whose split is 'dev'"):
        evaluate_captions(ColourCaptioner(), tmp_path, "dev")
    with pytest.raises(CaptionOptionError, match="colours has no style 'dish'"):
        evaluate_captions(ColourCaptioner(styles=("general",)), tmp_path, style="dish")
    with pytest.raises(ValueError, match="beams must be between 1 and 20, not 0"):
        evaluate_captions(ColourCaptioner(), tmp_path, beams=0)
    (tmp_path / "images" / "2.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"2\.png can't be read as a picture"):
        evaluate_captions(ColourCaptioner(), tmp_path)


def test_references_without_words_are_refused(tmp_path: Path) -> None:
    data = write_captions(tmp_path, ("val",))
    line = (data / "captions.jsonl").read_text().splitlines()[0]
    broken = (
        line.replace(captions_of(0, 0)[0], "!").replace(captions_of(0, 0)[1], "?").replace(captions_of(0, 0)[2], ".")
    )
    (data / "captions.jsonl").write_text(broken)
    with pytest.raises(DataError, match="have no words"):
        evaluate_captions(ColourCaptioner(), data)
