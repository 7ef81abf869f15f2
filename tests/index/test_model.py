"""The whole room against a model of two dictionaries: any order of writes leaves catalogue, feed and index equal."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from index.catalogue import Catalogue
from index.doctor import examine
from index.replica import IndexReplica
from index.types import Delete, Filter, Kind, UnknownItemError, Write, WriteStatus
from tests.index.samples import DIM, put_image, put_recipe, unit

RECIPES = st.sampled_from(["r0", "r1", "r2"])
IMAGES = st.sampled_from(["i0", "i1", "i2"])
TITLES = st.sampled_from(["one", "two"])
SEEDS = {"one": 1, "two": 2}


class CatalogueModel(RuleBasedStateMachine):
    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.catalogue = Catalogue.open(f"sqlite:///{self.folder}/c.db")
        self.generation = self.catalogue.ensure_generation("f", "e", DIM)
        self.replica = IndexReplica(self.catalogue, self.folder / "indexes", self.generation)
        self.recipes: dict[str, tuple[str, tuple[str, ...]]] = {}  # id -> title, photos in order
        self.images: dict[str, str] = {}

    def teardown(self) -> None:
        if hasattr(self, "catalogue"):
            self.catalogue.close()
            shutil.rmtree(self.folder)

    def write(self, *writes: Write) -> list[WriteStatus]:
        return [result.status for result in self.catalogue.write(writes, generation=self.generation.number)]

    @rule(item=RECIPES, title=TITLES, images=st.none() | st.lists(IMAGES, max_size=3, unique=True))
    def put_recipe(self, item: str, title: str, images: list[str] | None) -> None:
        linked = None if images is None else tuple(images)
        put = put_recipe(item, title=title, images=linked, seed=SEEDS[title])
        if linked is not None and not set(linked) <= self.images.keys():
            with pytest.raises(UnknownItemError):
                self.write(put)
            return
        before = self.recipes.get(item)
        after = (title, (before[1] if before else ()) if linked is None else linked)
        status = WriteStatus.CREATED if before is None else WriteStatus.UPDATED
        assert self.write(put) == [WriteStatus.UNCHANGED if before == after else status]
        self.recipes[item] = after

    @rule(item=IMAGES, title=TITLES)
    def put_image(self, item: str, title: str) -> None:
        before = self.images.get(item)
        status = WriteStatus.CREATED if before is None else WriteStatus.UPDATED
        put = put_image(item, title=title, seed=SEEDS[title])
        assert self.write(put, put) == [WriteStatus.UNCHANGED if before == title else status, WriteStatus.UNCHANGED]
        self.images[item] = title

    @rule(item=RECIPES)
    def delete_recipe(self, item: str) -> None:
        if item not in self.recipes:
            with pytest.raises(UnknownItemError):
                self.write(Delete(kind=Kind.RECIPE, id=item))
            return
        self.write(Delete(kind=Kind.RECIPE, id=item))
        del self.recipes[item]

    @rule(item=IMAGES)
    def delete_image(self, item: str) -> None:
        if item not in self.images:
            return
        self.write(Delete(kind=Kind.IMAGE, id=item))
        del self.images[item]
        for recipe, (title, images) in self.recipes.items():
            self.recipes[recipe] = (title, tuple(image for image in images if image != item))

    @rule(recipe=RECIPES, image=IMAGES, on=st.booleans())
    def change_link(self, recipe: str, image: str, on: bool) -> None:
        if recipe not in self.recipes or image not in self.images:
            return
        title, images = self.recipes[recipe]
        change = self.catalogue.link if on else self.catalogue.unlink
        assert change(recipe, image) == ((image in images) != on)
        others = tuple(known for known in images if known != image)
        self.recipes[recipe] = (title, images if (image in images) == on else (*others, *((image,) if on else ())))

    @rule()
    def save_and_load(self) -> None:
        self.replica.save()
        self.replica = IndexReplica(self.catalogue, self.folder / "indexes", self.generation)

    @invariant()
    def catalogue_equals_the_model(self) -> None:
        if not hasattr(self, "catalogue"):
            return
        stored = self.catalogue.get_many(Kind.RECIPE, self.catalogue.page(Kind.RECIPE).pks)
        assert {item.id: (item.recipe.title, item.image_ids) for item in stored} == self.recipes
        photos = self.catalogue.get_many(Kind.IMAGE, self.catalogue.page(Kind.IMAGE).pks)
        assert {item.id: item.picture.title for item in photos} == self.images
        for photo in photos:
            linked = {recipe for recipe, (_, images) in self.recipes.items() if photo.id in images}
            assert set(photo.recipe_ids) == linked
        assert self.catalogue.count(Kind.RECIPE, Filter(has_image=True)) == sum(
            bool(images) for _, images in self.recipes.values()
        )

    @invariant()
    def index_equals_the_catalogue(self) -> None:
        if not hasattr(self, "catalogue"):
            return
        hits = self.replica.search(Kind.RECIPE, unit(1), 10)
        pks = self.catalogue.ids_to_pks(Kind.RECIPE, self.recipes)
        exact = {hit.pk for hit in hits if hit.score > 0.999}
        assert exact == {pks[item] for item, (title, _) in self.recipes.items() if title == "one"}
        assert examine(self.catalogue, self.replica, None, deep=True) == []


CatalogueModel.TestCase.settings = settings(max_examples=10, stateful_step_count=20)
TestCatalogueModel = CatalogueModel.TestCase
