"""``tastespace tag``, and the training and evaluation of tags."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.common import (
    CommandError,
    DeviceOption,
    EncoderOption,
    RuntimeOption,
    load_encoder,
    load_settings,
    stderr,
    stdout,
)
from app.cli.progress import StageProgress
from app.cli.train import manifest_command

if TYPE_CHECKING:
    from app.settings import Settings
    from models.evaluation.labelled import LabelReport
    from models.evaluation.tags import Method, TagReport
    from models.tagging.types import Tagger, TagScore
    from models.types import JointEncoder

WeightsOption = Annotated[
    Path | None, typer.Option("--tags", help="Folder of tag weights (TASTESPACE_TAGS; default: those shipped).")
]


class Methods(StrEnum):
    HEAD = "head"
    ZERO_SHOT = "zero-shot"
    BOTH = "both"


def tag(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Pictures.", exists=True, dir_okay=False)],
    vocabulary: Annotated[
        str | None, typer.Option(help="Choose among these tags instead of the built-in ones: a,b,c.")
    ] = None,
    group: Annotated[list[str] | None, typer.Option(help="Only tags of this group; may be repeated.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="Most tags of a picture.")] = 10,
    min_probability: Annotated[float, typer.Option(min=0, max=1, help="Leave out less probable ones.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    weights: WeightsOption = None,
    encoder: EncoderOption = None,
    device: DeviceOption = None,
    runtime: RuntimeOption = None,
) -> None:
    """Tag pictures: what is on them, with probabilities. Needs no catalogue."""
    settings = load_settings(ctx, tags=weights, encoder=encoder, device=device, runtime=runtime)
    names = None if vocabulary is None else _names(vocabulary)
    from app.pictures import PictureError, PictureLimits, decode
    from models.preprocess import to_pixels
    from models.tagging.scoring import rank_tags

    limits = PictureLimits(max_bytes=settings.max_body_bytes, max_pixels=settings.max_pixels)
    loaded = load_encoder(settings)
    tagger = _tagger(loaded, settings, names)
    results: list[tuple[Path, list[TagScore]]] = []
    for file in files:
        try:
            picture = decode(file.read_bytes(), limits, target_side=loaded.info.preprocess.size).image
        except PictureError as error:
            raise CommandError(f"{file}: {error}") from None
        vector = loaded.encode_pixels(to_pixels(picture, loaded.info.preprocess)[None])[0]
        groups = frozenset(group) if group else None
        results.append((file, rank_tags(tagger, vector, k=k, min_probability=min_probability, groups=groups)))
    if as_json:
        print(json.dumps([_record(file, tags) for file, tags in results], ensure_ascii=False))
    else:
        for file, tags in results:
            _print_tags(file, tags)


def train(
    ctx: typer.Context,
    data: Annotated[Path, typer.Option(help="Folder with recipes.jsonl and the photos.")],
    out: Annotated[Path, typer.Option(help="Folder of the weights; TASTESPACE_TAGS=OUT uses them.")],
    encoder: EncoderOption = None,
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 0,
    min_positives: Annotated[int, typer.Option(min=2, help="Photos that a tag needs.")] = 20,
    cache: Annotated[Path | None, typer.Option(help="Where vectors are kept (default: beside OUT).")] = None,
    calibrate_on: Annotated[
        str | None,
        typer.Option(help="Calibrate on this split, which the encoder has not seen (default: out of fold on train)."),
    ] = None,
    device: DeviceOption = None,
    runtime: RuntimeOption = None,
    description: Annotated[str, typer.Option(help="What the data is, for the manifest.")] = "the user's own data",
    licence: Annotated[str, typer.Option(help="Of the weights, for the manifest.")] = "that of the training data",
) -> None:
    """Train the tagger over the vectors of an encoder: the photos are encoded once, the rest takes a minute or two.

    Photos without tags are left out: what is unknown is not negative.
    """
    from models.training.tags import TagTrainingConfig, train_tags

    config = TagTrainingConfig(
        data=data,
        out=out,
        seed=seed,
        min_positives=min_positives,
        cache=cache,
        calibrate_on=calibrate_on,
        command=manifest_command(sys.argv[1:]),
        description=description,
        licence=licence,
    )
    loaded = load_encoder(load_settings(ctx, encoder=encoder, device=device, runtime=runtime))
    with StageProgress(stderr()) as progress:
        result = train_tags(config, loaded, progress.advance)
    metrics = ", ".join(f"{name} {value:.3g}" for name, value in result.metrics.items())
    stdout().print(f"Trained {result.tags} tags on {result.photos:,} photos; {metrics}", soft_wrap=True)
    stdout().print(f"Use it with TASTESPACE_TAGS={result.folder}", soft_wrap=True)


def evaluate(
    ctx: typer.Context,
    data: Annotated[
        Path, typer.Option(help="Folder with recipes.jsonl and the photos, or any folder with labels.jsonl.")
    ],
    split: Annotated[str, typer.Option(help="Lines of this split are measured.")] = "val",
    method: Annotated[Methods, typer.Option(help="What tags the photos.")] = Methods.BOTH,
    weights: WeightsOption = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder of cached frozen features; with it the kNN baseline is measured too.")
    ] = None,
    min_positives: Annotated[int, typer.Option(min=1, help="Photos that a measured tag needs.")] = 20,
    encoder: EncoderOption = None,
    device: DeviceOption = None,
    runtime: RuntimeOption = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the result here, as JSON.")] = None,
) -> None:
    """Tags of photos: mean average precision, F1 and calibration, against two baselines.

    A folder with labels.jsonl (lines with image and label) is measured zero-shot over its set of labels.
    """
    if json_file is not None and not json_file.parent.is_dir():
        raise typer.BadParameter(f"{json_file.parent} is not a folder", param_hint="--json")
    settings = load_settings(ctx, tags=weights, encoder=encoder, device=device, runtime=runtime)
    from models.evaluation.labelled import LABELS_FILE, evaluate_labelled
    from models.evaluation.tags import evaluate_tags
    from models.tagging.weights import SHIPPED_TAGS

    where = settings.tags or SHIPPED_TAGS
    loaded = load_encoder(settings)
    report: LabelReport | TagReport
    with StageProgress(stderr()) as progress:
        if (data / LABELS_FILE).is_file():
            report = evaluate_labelled(loaded, data, weights=where, on_progress=progress.advance)
        else:
            methods: list[Method] = ["head", "zero-shot"]
            report = evaluate_tags(
                loaded,
                data,
                split,
                methods=[each for each in methods if method in (Methods.BOTH, each)],
                weights=where,
                cache=cache,
                min_positives=min_positives,
                on_progress=progress.advance,
            )
    record = report.to_json()
    _print_report(record)
    if json_file is not None:
        json_file.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise typer.BadParameter("give tags with commas between them, none of them blank", param_hint="--vocabulary")
    return names


def _tagger(encoder: JointEncoder, settings: Settings, names: list[str] | None) -> Tagger:
    from models.tagging.head import TagHead
    from models.tagging.vocabulary import vocabulary_of
    from models.tagging.weights import SHIPPED_TAGS
    from models.tagging.zero_shot import zero_shot_tagger

    where = settings.tags or SHIPPED_TAGS
    if names is None:
        return TagHead.load(encoder.info, where)
    return zero_shot_tagger(encoder, vocabulary_of((name, None) for name in names), where)


def _record(file: Path, tags: list[TagScore]) -> dict[str, object]:
    return {
        "file": str(file),
        "tags": [{"tag": each.tag, "group": each.group, "probability": each.probability} for each in tags],
    }


def _print_tags(file: Path, tags: list[TagScore]) -> None:
    from rich.markup import escape
    from rich.table import Table

    stdout().print(escape(str(file)), soft_wrap=True)
    table = Table()
    table.add_column("tag")
    table.add_column("group")
    table.add_column("probability", justify="right")
    for each in tags:
        table.add_row(escape(each.tag), escape(each.group), f"{each.probability:.2f}")
    stdout().print(table)


def _print_report(record: dict[str, Any]) -> None:
    from rich.table import Table

    if "top1" in record:
        accuracy = f"top 1 {record['top1']:.1f} %, top 5 {record['top5']:.1f} %"
        stdout().print(f"{record['photos']} photos, {record['labels']} labels: {accuracy}")
        return
    table = Table(title=f"{record['model']} on {record['split']}", title_justify="left")
    table.add_column("")
    for name in ("mAP", "micro F1", "macro F1", "ECE"):
        table.add_column(name, justify="right")
    for part in ("methods", "baselines"):
        for name, each in record[part].items():
            table.add_row(name, *(f"{each[key]:.3f}" for key in ("map", "f1", "f1_macro", "ece")))
    stdout().print(table)
    tags = f"{len(record['tags'])} tags with {record['min_positives']} positives or more"
    stdout().print(f"{record['photos']} photos; {tags}")
