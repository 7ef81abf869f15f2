from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.evaluation.arithmetic import evaluate_arithmetic, tune_arithmetic
from app.evaluation.contact_sheet import draw_contact_sheet
from app.evaluation.queries import Edit
from app.evaluation.report import Row
from index.algebra import DEFAULT_BALANCE, Strategy
from models.data import DataError
from models.registry import load_encoder
from tests.app.evaluation.planted import PAIRS, TAGS, PlantedEncoder, write_world
from tests.paths import MODEL_CACHE, collection

BASELINES = ("image_only", "text_only", "average", "random")


@pytest.fixture
def world(tmp_path: Path) -> Path:
    return write_world(tmp_path, splits=("train", "val"))


def by_name(rows: tuple[Row, ...]) -> dict[str, Row]:
    return {row.name: row for row in rows}


def test_where_arithmetic_is_exact_it_finds_everything_and_the_baselines_do_not(world: Path) -> None:
    report = evaluate_arithmetic(PlantedEncoder(), world).report
    family = report.families[Edit.SWAP]
    assert family.queries == len(PAIRS) * 2 * (len(TAGS) - 2)
    assert family.matters == family.queries
    assert family.right_answers == 1
    rows = by_name(family.rows)
    perfect = rows[Strategy.TEXT_DIFFERENCE].overall
    assert (perfect.map5, perfect.map10, perfect.map50, perfect.r1, perfect.r10) == (100,) * 5
    assert rows[Strategy.TEXT_DIFFERENCE].matters == perfect
    for name in BASELINES:
        assert rows[name].is_baseline
        assert rows[name].overall.map10 < 80, name
    # Told the whole answer, a text needs no photo.
    assert rows["text_full_target"].overall.map10 == 100
    assert rows["text_full_target_phrase"].overall.map10 == 100
    assert [comparison.difference.mean for comparison in family.comparisons] == [0, 0]
    assert {row.name for row in family.rows if not row.is_baseline} == set(Strategy)


def test_what_is_added_and_what_is_removed_are_families_of_their_own(world: Path) -> None:
    """All sets are pairs, so that no photo has a pair and one more; 0.6 takes a pair for three, and half for one."""
    report = evaluate_arithmetic(PlantedEncoder(), world).report
    assert list(report.families) == [Edit.SWAP]
    looser = evaluate_arithmetic(PlantedEncoder(), world, jaccard=0.5).report
    assert list(looser.families) == [Edit.SWAP, Edit.ADD, Edit.REMOVE]
    assert looser.families[Edit.REMOVE].matters == 0
    assert all(row.matters is None for row in looser.families[Edit.REMOVE].rows)
    assert len(looser.families[Edit.REMOVE].comparisons) == 1


def test_the_report_is_json_with_a_row_a_strategy(world: Path) -> None:
    report = evaluate_arithmetic(PlantedEncoder(), world, queries=20, seed=5)
    record = json.loads(json.dumps(report.report.to_json()))
    assert record["queries"] == 20
    assert record["gallery"] == len(PAIRS)
    assert record["photos_left_out"] == 1
    assert record["jaccard"] == 0.7
    assert record["seed"] == 5
    assert record["unit"] == "percent"
    assert record["fingerprint"] == "f" * 64
    assert set(TAGS) <= set(record["tags"])
    for row in record["rows"]:
        assert {"strategy", "kind", "map5", "map10", "map50", "r1", "r10"} <= set(row)
        assert 0 <= row["map10"] <= 100
        assert set(row["where_the_reference_matters"]) == {"map5", "map10", "map50", "r1", "r10"}
    balances = {row["strategy"]: row["balance"] for row in record["rows"]}
    assert balances["text_difference"] == DEFAULT_BALANCE[Strategy.TEXT_DIFFERENCE]
    assert record["families"]["swap"]["rows"] == record["rows"]
    again = evaluate_arithmetic(PlantedEncoder(), world, queries=20, seed=5)
    assert again.report.to_json() == report.report.to_json()


def test_tuning_looks_at_the_training_photos_and_at_every_strategy(world: Path) -> None:
    for photo in world.glob("val-*"):
        photo.unlink()
    seen: list[tuple[str, int, int]] = []
    table = tune_arithmetic(PlantedEncoder(), world, on_progress=lambda *step: seen.append(step))
    assert {row.strategy for row in table} == set(Strategy)
    assert len(table) == len({(row.strategy, row.balance) for row in table})
    assert any(row.overall.map10 == 100 for row in table if row.strategy is Strategy.TEXT_DIFFERENCE)
    assert seen[-1] == ("balances", len(table), len(table))


def test_the_sheet_frames_right_answers_in_green(world: Path, tmp_path: Path) -> None:
    benchmark = evaluate_arithmetic(PlantedEncoder(), world)
    sheet = tmp_path / "sheet.png"
    draw_contact_sheet(benchmark, Strategy.TEXT_DIFFERENCE, sheet, rows=3)
    with Image.open(sheet) as image:
        green = int((np.asarray(image) == (26, 156, 60)).all(axis=2).sum())
    tile, frame = 200 * 140, 5
    assert green == 3 * (tile - (200 - 2 * frame) * (140 - 2 * frame))


def test_data_that_asks_nothing_is_refused(tmp_path: Path) -> None:
    write_world(tmp_path)
    lines = (tmp_path / "recipes.jsonl").read_text().splitlines()
    (tmp_path / "recipes.jsonl").write_text(lines[-1])
    with pytest.raises(DataError, match="visible ingredient"):
        evaluate_arithmetic(PlantedEncoder(), tmp_path)
    (tmp_path / "recipes.jsonl").write_text(lines[0])
    with pytest.raises(DataError, match="swapped tag"):
        evaluate_arithmetic(PlantedEncoder(), tmp_path)
    with pytest.raises(DataError, match="swapped tag"):
        tune_arithmetic(PlantedEncoder(), tmp_path, "val")
    (tmp_path / "val-0.png").write_bytes(b"no picture")
    write_lines = "\n".join(lines)
    (tmp_path / "recipes.jsonl").write_text(write_lines)
    with pytest.raises(DataError, match=r"val-0\.png can't be read as a picture"):
        evaluate_arithmetic(PlantedEncoder(), tmp_path)
    (tmp_path / "val-0.png").unlink()
    with pytest.raises(DataError, match=r"val-0\.png can't be read"):
        evaluate_arithmetic(PlantedEncoder(), tmp_path)


@pytest.mark.data
@pytest.mark.weights
def test_real_photos_give_finite_numbers_above_chance(tmp_path: Path) -> None:
    source = collection("epicurious")
    with (source / "recipes.jsonl").open(encoding="utf-8") as lines:
        records = [record for record in map(json.loads, lines) if record["split"] == "val"][:120]
    (tmp_path / "recipes.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    (tmp_path / "images").mkdir()
    for record in records:
        shutil.copyfile(source / record["image"], tmp_path / record["image"])
    report = evaluate_arithmetic(load_encoder("tastespace-lite", cache=MODEL_CACHE), tmp_path, queries=150).report
    rows = by_name(report.families[Edit.SWAP].rows)
    assert all(math.isfinite(row.overall.map10) for row in rows.values())
    assert rows["text_full_target"].overall.map10 > rows["random"].overall.map10
    assert rows["text_difference"].overall.map10 > rows["random"].overall.map10
