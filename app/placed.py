"""What each lane's worker is made from, placed as the settings say."""

from __future__ import annotations

from functools import partial

from app.engine.placement import Place, PlacedModel, places_of
from app.engine.process import ProcessSpec
from app.engine.process_child import SetUp
from app.engine.remote import RemoteSpec
from app.engine.specs import CaptionerSpec, EncoderSpec, GeneratorSpec, ReasonerSpec
from app.engine.workers import ModelSpec
from app.observability import configure_logging
from app.settings import NO_MODEL, Settings


def placed_specs(settings: Settings) -> list[ModelSpec]:
    """One for each lane."""
    threads = settings.threads or 0
    specs: list[tuple[Place, ModelSpec]] = [
        (
            place,
            EncoderSpec(
                name, settings.encoder, place.device, threads, runtime=settings.runtime, cache=settings.models_dir
            ),
        )
        for name, place in places_of("encoder", settings.placement, settings.device).items()
    ]
    beside: list[tuple[PlacedModel, str, type[CaptionerSpec] | type[ReasonerSpec] | type[GeneratorSpec]]] = [
        ("captioner", settings.captioner, CaptionerSpec),
        ("reasoner", settings.reasoner, ReasonerSpec),
        ("generator", settings.generator, GeneratorSpec),
    ]
    specs += [
        (place, spec(name, chosen, place.device, threads))
        for model, chosen, spec in beside
        if chosen != NO_MODEL
        for name, place in places_of(model, settings.placement, settings.device).items()
    ]
    return [_placed(place, spec, settings) for place, spec in specs]


def log_set_up(settings: Settings) -> SetUp:
    """What a process of a model does first: it logs as the program that started it."""
    return partial(configure_logging, settings.log_level, as_json=settings.log_json)


def _placed(place: Place, spec: ModelSpec, settings: Settings) -> ModelSpec:
    if place.worker is not None:
        return RemoteSpec(spec, place.worker, settings.required_worker_key())
    return ProcessSpec(spec, log_set_up(settings)) if place.process else spec
