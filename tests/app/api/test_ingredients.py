from __future__ import annotations

from pathlib import Path

import pytest

from app.services.words import Words
from app.settings import Settings, SettingsError
from tests.app.conftest import Service, problem, serving
from tests.app.fakes import FakeEngine

pytestmark = pytest.mark.anyio


async def test_similar_ingredients_and_other_names(service: Service) -> None:
    response = await service.client.get("/v1/ingredients/scallion/similar", params={"k": 5})
    assert response.status_code == 200
    body = response.json()
    assert body["name"] == "scallion"
    assert body["expansion"][:2] == ["scallion", "green onion"]
    assert len(body["similar"]) == 5
    similarities = [each["similarity"] for each in body["similar"]]
    assert similarities == sorted(similarities, reverse=True)
    assert all(each["count"] >= 10 for each in body["similar"])


@pytest.mark.parametrize("name", ["Green%20Onions", "2%20cups%20chopped%20green%20onions%2C%20divided", "GREEN-ONION"])
async def test_a_name_is_read_as_a_line_is(service: Service, name: str) -> None:
    body = (await service.client.get(f"/v1/ingredients/{name}/similar")).json()
    assert body["name"] == "green onion"


async def test_a_british_name_leads_to_the_american_one(service: Service) -> None:
    body = (await service.client.get("/v1/ingredients/aubergine/similar")).json()
    assert body["name"] == "eggplant"
    assert body["expansion"][:2] == ["aubergine", "eggplant"]


async def test_a_least_similarity_may_leave_nothing(service: Service) -> None:
    response = await service.client.get("/v1/ingredients/butter/similar", params={"min_similarity": 0.999})
    assert response.json()["similar"] == []


async def test_an_unknown_ingredient_is_a_404_with_suggestions(service: Service) -> None:
    response = await service.client.get("/v1/ingredients/cinamon/similar")
    body = problem(response, 404, "unknown-ingredient")
    assert "cinnamon" in body["suggestions"]
    assert "did you mean 'cinnamon'" in body["detail"]
    response = await service.client.get("/v1/ingredients/analogy", params={"positive": ["butter", "xyzzyx"]})
    assert problem(response, 404, "unknown-ingredient")["suggestions"] == []


async def test_an_analogy(service: Service) -> None:
    query = [("positive", "white wine"), ("positive", "Beef"), ("negative", "chicken"), ("k", "3")]
    for method in ("add", "mul"):
        response = await service.client.get("/v1/ingredients/analogy", params=[*query, ("method", method)])
        body = response.json()
        assert body["positive"] == ["white wine", "beef"]
        assert body["negative"] == ["chicken"]
        assert body["similar"][0]["name"] == "red wine"


async def test_an_ingredient_called_analogy_is_an_ingredient(service: Service) -> None:
    body = problem(await service.client.get("/v1/ingredients/analogy/similar"), 404, "unknown-ingredient")
    assert "'analogy'" in body["detail"]


async def test_an_analogy_that_cancels_out(service: Service) -> None:
    response = await service.client.get("/v1/ingredients/analogy", params={"positive": "beef", "negative": "beef"})
    problem(response, 422, "cancelled-out")


@pytest.mark.parametrize(
    "address",
    [
        "/v1/ingredients/analogy",
        "/v1/ingredients/analogy?negative=beef",
        "/v1/ingredients/analogy?positive=",
        "/v1/ingredients/analogy?positive=beef&method=divide",
        "/v1/ingredients/analogy?positive=beef&k=0",
        "/v1/ingredients/beef/similar?k=101",
        "/v1/ingredients/beef/similar?min_similarity=2",
        "/v1/ingredients/beef/similar?min_similarity=nan",
        f"/v1/ingredients/{'x' * 201}/similar",
        "/v1/ingredients/beef%00/similar",
    ],
)
async def test_wrong_values(service: Service, address: str) -> None:
    problem(await service.client.get(address), 422, "invalid-request")


async def test_another_folder_of_vectors_must_hold_some(settings: Settings, tmp_path: Path) -> None:
    wrong = settings.model_copy(update={"words": tmp_path})
    with pytest.raises(SettingsError, match=r"TASTESPACE_WORDS is wrong: .* holds no word vectors"):
        async with serving(wrong, FakeEngine()):
            pass


def test_expansion_for_filters_knows_no_error() -> None:
    words = Words()
    assert words.expand("Scallions")[:2] == ("scallion", "green onion")
    assert words.expand("2 cups unheardofs") == ("unheardof",)
    assert words.expand(" 1/2 ") == ("1/2",)
