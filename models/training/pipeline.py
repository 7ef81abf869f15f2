"""The whole training of an encoder: heads over frozen towers, then tower and heads together."""

from __future__ import annotations

from dataclasses import replace

from models.checkpoint import MANIFEST_FILE
from models.training.finetune import FinetuneConfig, finetune_joint
from models.training.joint import JointTrainingConfig, JointTrainingResult, OnProgress, train_joint
from models.training.run_folder import RunFolder

HEADS_FOLDER = "heads"


def train_encoder(
    heads: JointTrainingConfig, tuning: FinetuneConfig | None, on_progress: OnProgress | None = None
) -> JointTrainingResult:
    """Train heads, then fine-tune from them; each stage is a run of its own that can be resumed.

    Args:
        heads: the first stage; where another follows, it is kept in the folder ``heads`` of ``heads.out``. With 0
            epochs it is left out, and tuning starts from its own ``init``.
        tuning: the second stage, which starts from what the first one left; None: heads are all.

    Raises:
        DataError, RunFolderError, EncoderUnavailableError: see the stages.
    """
    if tuning is None:
        return train_joint(heads, on_progress)
    if not heads.epochs:
        return finetune_joint(tuning, on_progress)
    first = replace(heads, out=heads.out / HEADS_FOLDER, cache=heads.cache or heads.out.parent / "features")
    if heads.resume and (first.out / MANIFEST_FILE).is_file():
        RunFolder(first.out, first.settings(), resume=True)  # refuses heads that were trained with other settings
    else:
        train_joint(first, on_progress)
    return finetune_joint(replace(tuning, init=first.out), on_progress)
