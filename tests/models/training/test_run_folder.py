import json
from pathlib import Path

import pytest
import torch

from models.training.run_folder import RunFolder, RunFolderError


def _epochs(folder: Path) -> list[int]:
    return [json.loads(line)["epoch"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_state_and_metrics_are_kept(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", {"seed": 1}, resume=False)
    assert run.load_state() is None
    for epoch in (1, 2):
        run.log({"epoch": epoch})
        run.save_state({"epoch": epoch, "weights": torch.full((2,), float(epoch))})
    state = RunFolder(tmp_path / "run", {"seed": 1}, resume=True).load_state()
    assert state is not None
    assert (state["epoch"], state["weights"].tolist()) == (2, [2.0, 2.0])
    assert sorted(path.name for path in run.path.iterdir()) == ["metrics.jsonl", "settings.json", "state.pt"]


def test_a_folder_holds_one_run_of_one_kind(tmp_path: Path) -> None:
    RunFolder(tmp_path, {"seed": 1}, resume=False).save_state({"epoch": 1})
    with pytest.raises(RunFolderError, match="resume it or choose another folder"):
        RunFolder(tmp_path, {"seed": 1}, resume=False)
    with pytest.raises(RunFolderError, match=r"other settings \(extra, seed\)"):
        RunFolder(tmp_path, {"seed": 2, "extra": 1}, resume=True)


@pytest.mark.fault
def test_lines_after_the_state_and_half_lines_are_dropped(tmp_path: Path) -> None:
    run = RunFolder(tmp_path, {}, resume=False)
    run.truncate_log(0)
    for epoch in (1, 2, 3):
        run.log({"epoch": epoch})
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write('{"epo')
    run.truncate_log(2)
    assert _epochs(tmp_path) == [1, 2]
    run.truncate_log(0)
    assert _epochs(tmp_path) == []
