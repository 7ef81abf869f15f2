from __future__ import annotations

from pathlib import Path

import pytest

from app.engine.types import Operation, Priority, SaturatedError, UnavailableError
from app.problems import Problem
from app.services.items import Bundle, PictureItem, RecipeItem
from index.types import Kind, PutRecipe, Recipe, RevisionError, StoredRecipe, UnknownItemError, WriteStatus
from tests.app.conftest import Service
from tests.app.fakes import picture, text_vector

pytestmark = pytest.mark.anyio


def _recipe(item_id: str | None, title: str = "tomato soup", **values: object) -> RecipeItem:
    return RecipeItem(recipe=Recipe(title=title), id=item_id, **values)  # type: ignore[arg-type]


async def test_a_bundle_links_the_recipe_with_its_photos_in_order(service: Service) -> None:
    bundle = Bundle(
        recipe=_recipe("r"),
        pictures=(PictureItem(data=picture("tomato"), id="b"), PictureItem(data=picture("rice"), id="a")),
    )
    (outcome,) = await service.runtime.ingest.put_many([bundle])
    assert outcome.ok
    assert [part.kind for part in outcome.parts] == [Kind.IMAGE, Kind.IMAGE, Kind.RECIPE]
    assert service.runtime.catalogue.get(Kind.RECIPE, "r").image_ids == ("b", "a")


async def test_a_broken_photo_costs_only_itself(service: Service) -> None:
    bundle = Bundle(
        recipe=_recipe("r"),
        pictures=(PictureItem(data=b"broken", id="bad"), PictureItem(data=picture("rice"), id="good")),
    )
    (outcome,) = await service.runtime.ingest.put_many([bundle])
    assert not outcome.ok
    assert [part.ok for part in outcome.parts] == [False, True, True]
    bad = outcome.pictures[0].error
    assert bad is not None
    assert bad.slug == "invalid-picture"
    assert service.runtime.catalogue.get(Kind.RECIPE, "r").image_ids == ("good",)


async def test_photos_are_all_stored_or_none(service: Service) -> None:
    ingest, catalogue = service.runtime.ingest, service.runtime.catalogue
    good = PictureItem(data=picture("rice"), id="good")
    for bad, error in (
        (PictureItem(data=b"broken", id="bad"), Problem),
        (PictureItem(data=picture("tomato"), id="a/b"), Problem),
        (PictureItem(data=picture("tomato"), id="bad", recipe_ids=("nobody",)), UnknownItemError),
        (PictureItem(data=picture("tomato"), id="bad", revision=7), RevisionError),
    ):
        with pytest.raises(error):
            await ingest.put_all([good, bad])
        assert catalogue.head() == 0
    outcomes = await ingest.put_all([good, PictureItem(data=picture("tomato"))])
    assert [outcome.ok for outcome in outcomes] == [True, True]
    assert set(catalogue.ids_to_pks(Kind.IMAGE, [outcome.id for outcome in outcomes])) == {"good", outcomes[1].id}
    assert await ingest.put_all([]) == []


async def test_a_bundle_whose_photos_all_fail_keeps_the_links_it_has(service: Service) -> None:
    await service.put_image("old", picture("rice"))
    await service.put_recipe("r", title="x", image_ids=["old"])
    bundle = Bundle(recipe=_recipe("r"), pictures=(PictureItem(data=b"broken", id="bad"),))
    await service.runtime.ingest.put_many([bundle])
    assert service.runtime.catalogue.get(Kind.RECIPE, "r").image_ids == ("old",)


async def test_one_bad_link_does_not_cost_the_batch(service: Service) -> None:
    bundles = [
        Bundle(recipe=_recipe("a")),
        Bundle(recipe=_recipe("b", image_ids=("missing",))),
        Bundle(recipe=_recipe("c"), pictures=(PictureItem(data=picture("rice"), id="p", recipe_ids=("nobody",)),)),
        Bundle(recipe=_recipe("d", revision=7)),
    ]
    outcomes = await service.runtime.ingest.put_many(bundles)
    assert [outcome.ok for outcome in outcomes] == [True, False, False, False]
    slugs = [part.error.slug for outcome in outcomes for part in outcome.parts if part.error]
    assert slugs == ["invalid-request", "invalid-request", "precondition-failed"]
    assert set(service.runtime.catalogue.ids_to_pks(Kind.RECIPE, "abcd")) == {"a", "c"}
    assert service.runtime.catalogue.get(Kind.RECIPE, "c").image_ids == ()


async def test_a_batch_is_one_transaction(service: Service) -> None:
    before = service.runtime.catalogue.head()
    outcomes = await service.runtime.ingest.put_many([Bundle(recipe=_recipe(f"r{n}")) for n in range(10)])
    assert all(outcome.ok for outcome in outcomes)
    assert service.runtime.catalogue.head() == before + 10


async def test_importing_again_encodes_nothing(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    path.write_bytes(picture("tomato"))
    bundles = [Bundle(recipe=_recipe("r"), pictures=(PictureItem(data=path, id="p"),))]
    first = await service.runtime.ingest.put_many(bundles)
    encoded, head = len(service.engine.encoded), service.runtime.catalogue.head()
    second = await service.runtime.ingest.put_many(bundles)
    assert {part.result.status for part in first[0].parts if part.result} == {WriteStatus.CREATED}
    assert {part.result.status for part in second[0].parts if part.result} == {WriteStatus.UNCHANGED}
    assert (len(service.engine.encoded), service.runtime.catalogue.head()) == (encoded, head)


async def test_a_path_that_cannot_be_read_is_the_items_fault(service: Service, tmp_path: Path) -> None:
    item = PictureItem(data=tmp_path / "gone.png", id="p")
    outcome = await service.runtime.ingest.put_image(item)
    assert outcome.error is not None
    assert "gone.png" in outcome.error.detail
    assert str(tmp_path) not in outcome.error.detail


async def test_equal_recipes_of_a_call_are_encoded_once(service: Service) -> None:
    await service.runtime.ingest.put_many([Bundle(recipe=_recipe(f"r{n}")) for n in range(5)])
    assert [operation for operation, _ in service.engine.encoded] == [Operation.ENCODE_RECIPE]


async def test_the_engines_refusal_is_of_the_whole_call(service: Service) -> None:
    ingest = service.runtime.ingest
    service.engine.saturated = True
    with pytest.raises(SaturatedError):
        await ingest.put_many([Bundle(recipe=_recipe("a"))], Priority.BULK)
    service.engine.saturated, service.engine.unavailable = False, True
    with pytest.raises(UnavailableError):
        await ingest.put_recipe(_recipe("a"))
    assert service.runtime.catalogue.head() == 0


async def test_a_lost_vector_is_made_again_by_a_patch(service: Service) -> None:
    await service.put_image("i", picture("tomato"), title="x", captions=["mine"])
    runtime = service.runtime
    with runtime.catalogue.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM vectors")
    response = await service.client.patch("/v1/images/i", json={"title": "y"})
    assert response.status_code == 200, response.text
    hits = (await service.client.post("/v1/search/images", files={"file": picture("tomato")})).json()["hits"]
    assert [(hit["id"], hit["image"]["title"]) for hit in hits] == [("i", "y")]
    assert [caption["text"] for caption in hits[0]["image"]["captions"]] == ["mine"]


async def test_nothing_to_do_is_done_at_once(service: Service) -> None:
    assert await service.runtime.ingest.put_many([]) == []
    (outcome,) = await service.runtime.ingest.put_many([Bundle()])
    assert outcome.parts == ()


@pytest.mark.fault
async def test_a_kill_between_blob_and_commit_leaves_only_a_blob(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise SystemError("as if killed")

    runtime = service.runtime
    monkeypatch.setattr(type(runtime.catalogue), "write", killed)
    with pytest.raises(SystemError):
        await runtime.ingest.put_image(PictureItem(data=picture("rice"), id="i"))
    monkeypatch.undo()
    assert len(list(runtime.blobs)) == 1
    assert runtime.catalogue.head() == 0
    assert runtime.blobs.sweep(runtime.catalogue.blob_in_use, older_than_s=-1) == 1


async def test_a_change_that_others_keep_overtaking_is_a_conflict(service: Service) -> None:
    await service.put_recipe("r", title="x")
    catalogue, generation = service.runtime.catalogue, service.runtime.generation.number

    def change(stored: StoredRecipe) -> RecipeItem:
        vector = text_vector("overtaken")
        recipe = Recipe(title=f"overtaken {stored.revision}")
        catalogue.write([PutRecipe(id="r", recipe=recipe, vector=vector)], generation=generation)
        return RecipeItem(recipe=Recipe(title="mine"), id="r", revision=stored.revision)

    outcome = await service.runtime.ingest.change_recipe("r", change)
    assert outcome.error is not None
    assert outcome.error.slug == "conflict"
    strict = await service.runtime.ingest.change_recipe("r", change, retry=False)
    assert strict.error is not None
    assert strict.error.slug == "precondition-failed"
