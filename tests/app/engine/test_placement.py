from __future__ import annotations

import pytest

from app.engine.placement import Place, PlacementError, WorkerAddress, parse_placement, places_of


def test_entries_become_places_in_order() -> None:
    assert parse_placement("captioner=cuda:1, encoder = cuda:0 ,captioner=cpu@process") == (
        Place("captioner", "cuda:1"),
        Place("encoder", "cuda:0"),
        Place("captioner", "cpu", process=True),
    )
    assert parse_placement(" ") == ()


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("worker:8100", "worker"),
        ("gpu-1.kitchen.example:8100", "gpu-1.kitchen.example"),
        ("10.0.0.7:8100", "10.0.0.7"),
        ("[fd00::7]:8100", "fd00::7"),
        ("[fe80::7%eth0]:8100", "fe80::7%eth0"),
    ],
)
def test_a_worker_host_is_a_place(address: str, host: str) -> None:
    (place,) = parse_placement(f"all=cuda:0@{address}")
    assert place == Place("all", "cuda:0", worker=WorkerAddress(host, 8100))
    assert str(place.worker) == address


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("encoder=cpu,", "an entry is empty; take the comma"),
        ("encoder", "'encoder' has another form than MODEL=DEVICE"),
        ("encoder=", "'encoder=' has another form"),
        ("=cpu", "'=cpu' has another form"),
        ("encoder=cpu,toaster=cpu", "'toaster=cpu' names no model of this service; use encoder"),
        ("encoder=gpu", "'encoder=gpu' names no device; use cpu, mps, cuda or cuda:N"),
        ("encoder=cuda:one", "names no device"),
        ("encoder=cpu@thread", "says 'thread' after the @; use @process"),
        ("encoder=cpu@", "says '' after the @"),
        ("encoder=cpu@process@process", "after the @"),
        ("encoder=cpu@:8100", "says ':8100' after the @; use @process, the @HOST:PORT of a worker host"),
        ("encoder=cpu@worker:", "after the @"),
        ("encoder=cpu@worker:http", "after the @"),
        ("encoder=cpu@[worker]:8100", "after the @"),
        ("encoder=cpu@gpu..kitchen:8100", "after the @"),
        (f"encoder=cpu@{'x' * 64}:8100", "after the @"),
        ("encoder=cpu@worker:0", "names port 0; use one from 1 to 65535"),
        ("encoder=cpu@worker:65536", "names port 65536"),
        ("encoder=cpu@fd00::7:8100", "write an IPv6 address in brackets, as in @[::1]:8100"),
    ],
)
def test_a_wrong_entry_is_named_with_the_remedy(text: str, sentence: str) -> None:
    with pytest.raises(PlacementError) as caught:
        parse_placement(text)
    assert sentence in str(caught.value)


def test_a_model_named_twice_has_two_lanes_and_one_not_named_has_one() -> None:
    placement = parse_placement("encoder=cuda:0,encoder=cuda:1@process")
    assert places_of("encoder", placement, "cpu") == {
        "encoder": Place("encoder", "cuda:0"),
        "encoder-2": Place("encoder", "cuda:1", process=True),
    }
    assert places_of("captioner", placement, "mps") == {"captioner": Place("captioner", "mps")}


def test_all_stands_for_the_models_without_an_entry_of_their_own() -> None:
    placement = parse_placement("all=cuda:0@process,captioner=cpu")
    assert places_of("encoder", placement, "mps") == {"encoder": Place("all", "cuda:0", process=True)}
    assert places_of("captioner", placement, "mps") == {"captioner": Place("captioner", "cpu")}
