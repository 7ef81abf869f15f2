from __future__ import annotations

import json
from io import BytesIO

import pytest
from PIL import Image

from app.engine.types import Operation
from models.generation.provenance import PictureFormat
from tests.app.conftest import Service, problem
from tests.app.fakes import drawn_file, picture

pytestmark = pytest.mark.anyio


async def test_one_file_is_answered_with_the_photo(service: Service) -> None:
    data = picture("tomato", size=(120, 80), format="JPEG")
    response = await service.client.post(
        "/v1/images",
        files=[("files", ("../../etc/passwd.png", data, "text/plain"))],
        data={"metadata": json.dumps([{"id": "t", "title": "Tomato", "tags": ["red"], "extra": {"by": "me"}}])},
    )
    assert response.status_code == 201
    assert response.headers["location"] == "/v1/images/t"
    body = response.json()
    assert (body["media_type"], body["width"], body["height"], body["size"]) == ("image/jpeg", 120, 80, len(data))
    assert body["links"] == {
        "self": "/v1/images/t",
        "file": "/v1/images/t/file",
        "thumbnail": "/v1/images/t/thumbnail",
        "recipes": [],
    }
    assert (await service.client.get("/v1/images/t")).json() == body


async def test_several_files_have_a_result_each(service: Service) -> None:
    good, twin = picture("tomato"), picture("rice")
    response = await service.client.post(
        "/v1/images",
        files=[
            ("files", ("a.png", good)),
            ("files", ("b.jpg", b"text named jpg")),
            ("files", ("c.png", b"")),
            ("files", ("d.png", twin)),
            ("files", ("e.png", twin)),
            ("files", ("f.png", twin)),
        ],
        data={"metadata": json.dumps([{"id": "a"}, {}, {}, {"id": "d"}, {"id": "d"}, {"id": "f/g"}])},
    )
    assert response.status_code == 207
    results = response.json()["results"]
    assert [each["status"] for each in results] == [201, 422, 422, 201, 409, 422]
    assert results[1]["problem"]["type"] == "/problems/invalid-picture"
    assert results[5]["problem"]["type"] == "/problems/invalid-id"
    assert "contradiction" not in response.text
    assert (await service.client.get("/v1/images/d")).status_code == 200


async def test_identical_bytes_share_a_blob_and_one_encoding(service: Service) -> None:
    data = picture("tomato")
    response = await service.client.post("/v1/images", files=[("files", (f"{n}.png", data)) for n in range(3)])
    ids = [each["id"] for each in response.json()["results"]]
    assert len(set(ids)) == 3
    assert len([each for each in service.engine.encoded if each[0] is Operation.ENCODE_PIXELS]) == 1
    assert len(list(service.runtime.blobs)) == 1
    await service.client.delete(f"/v1/images/{ids[0]}")
    assert (await service.client.get(f"/v1/images/{ids[1]}/file")).content == data


async def test_the_same_upload_twice_changes_and_encodes_nothing(service: Service) -> None:
    first = await service.put_image("i", picture("tomato"), title="x")
    encoded = len(service.engine.encoded)
    again = await service.put_image("i", picture("tomato"), title="x")
    assert again.json() == first.json()
    renamed = await service.put_image("i", picture("tomato"), title="y")
    assert renamed.json()["revision"] == 2
    assert len(service.engine.encoded) == encoded
    other = await service.put_image("i", picture("rice"), title="y")
    assert other.json()["sha256"] != first.json()["sha256"]
    assert len(service.engine.encoded) == encoded + 1


async def test_patch_changes_what_is_said_and_keeps_the_picture(service: Service) -> None:
    await service.put_recipe("r", title="soup")
    first = (await service.put_image("i", picture("tomato"), title="x", tags=["a"], generated=True)).json()
    response = await service.client.patch(
        "/v1/images/i", json={"title": None, "tags": ["B", "b"], "recipe_ids": ["r"], "extra": {"k": 1}}
    )
    assert response.status_code == 200
    body = response.json()
    assert (body["title"], body["tags"], body["recipe_ids"], body["extra"]) == ("", ["B"], ["r"], {"k": 1})
    assert (body["sha256"], body["generated"]) == (first["sha256"], True)
    assert (await service.client.patch("/v1/images/i", json={"recipe_ids": None})).json()["recipe_ids"] == []
    client = service.client
    problem(await client.patch("/v1/images/i", json={"recipe_ids": ["none"]}), 422, "invalid-request")
    problem(await client.patch("/v1/images/i", json={"sha256": "x"}), 422, "invalid-request")
    problem(await client.patch("/v1/images/none", json={"title": "x"}), 404, "unknown-item")
    stale = {"If-Match": '"1-1"'}
    problem(await client.patch("/v1/images/i", json={"title": "x"}, headers=stale), 412, "precondition-failed")


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
async def test_a_file_that_says_it_was_drawn_is_no_photo(service: Service, kind: PictureFormat) -> None:
    data = drawn_file("tomato", kind)
    response = await service.client.post(
        "/v1/images", files=[("files", ("a", data)), ("files", ("b", picture("rice")))]
    )
    ids = [each["id"] for each in response.json()["results"]]
    assert [(await service.client.get(f"/v1/images/{each}")).json()["generated"] for each in ids] == [True, False]
    for fields, expected in (({}, True), ({"generated": False}, False), ({"generated": None}, True)):
        # Under one id, so that the file is known but for the first time.
        assert (await service.put_image("i", data, **fields)).json()["generated"] is expected
    renamed = await service.client.patch("/v1/images/i", json={"title": "Tomato"})
    assert renamed.json()["generated"] is True
    written_anew = Image.open(BytesIO(data)).convert("RGB")
    written_anew.info.clear()
    file = BytesIO()
    written_anew.save(file, kind)
    assert (await service.put_image("i", file.getvalue())).json()["generated"] is False


async def test_listing_filters_by_tag_and_link(service: Service) -> None:
    await service.put_recipe("r", title="soup")
    await service.put_image("a", picture("tomato"), tags=["red"], recipe_ids=["r"])
    await service.put_image("b", picture("rice"), tags=["white"], generated=True)
    client = service.client
    for flag, expected in (("true", "b"), ("false", "a")):
        assert [i["id"] for i in (await client.get(f"/v1/images?generated={flag}")).json()["items"]] == [expected]
    assert [i["id"] for i in (await client.get("/v1/images?tag=red")).json()["items"]] == ["a"]
    assert [i["id"] for i in (await client.get("/v1/images?has_recipe=false")).json()["items"]] == ["b"]
    page = (await client.get("/v1/images?limit=1")).json()
    assert [i["id"] for i in (await client.get(page["next"])).json()["items"]] == ["b"]


async def test_form_mistakes_are_named(service: Service) -> None:
    client, file = service.client, ("x.png", picture("rice"))
    body = problem(await client.post("/v1/images", files={"picture": file}), 422, "invalid-request")
    assert body["errors"][0]["field"] == "picture"
    problem(await client.post("/v1/images", data={"files": "text"}, files={"metadata": b"x"}), 422, "invalid-request")
    problem(await client.post("/v1/images", json={"files": []}), 415, "unsupported-media-type")
    response = await client.post("/v1/images", files={"files": file}, data={"metadata": "[{}, {}]"})
    assert problem(response, 422, "invalid-request")["errors"][0]["field"] == "metadata"
    response = await client.post("/v1/images", files={"files": file}, data={"metadata": "[{"})
    assert "not valid JSON" in problem(response, 422, "invalid-request")["detail"]
    response = await client.post("/v1/images", files={"files": file}, data={"metadata": '[{"tag": "x"}]'})
    assert problem(response, 422, "invalid-request")["errors"][0]["field"] == "metadata.0.tag"
    response = await client.put("/v1/images/i", files=[("file", file), ("file", file)])
    assert response.status_code == 400
    response = await client.put("/v1/images/i", files={"file": file}, data={"metadata": '{"id": "other"}'})
    assert problem(response, 422, "invalid-request")["errors"][0]["field"] == "metadata.id"


async def test_the_file_comes_back_as_it_was(service: Service) -> None:
    data = picture("salad", format="JPEG")
    await service.put_image('cr\u00e8me "br\u00fbl\u00e9e"\u2603', data)
    item = (await service.client.get("/v1/images")).json()["items"][0]
    response = await service.client.get(item["links"]["file"])
    assert response.content == data
    assert response.headers["content-type"] == "image/jpeg"
    assert response.headers["etag"] == f'"{item["sha256"]}"'
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in response.headers["content-security-policy"]
    disposition = response.headers["content-disposition"]
    assert disposition.isascii()
    assert disposition.startswith("inline; filename=\"cr_me__br_l_e__.jpg\"; filename*=UTF-8''cr%C3%A8me%20")
    fresh = await service.client.get(item["links"]["file"], headers={"If-None-Match": response.headers["etag"]})
    assert (fresh.status_code, fresh.content) == (304, b"")


async def test_ranges_of_a_file(service: Service) -> None:
    data = picture("salad", format="JPEG")
    await service.put_image("i", data)
    part = await service.client.get("/v1/images/i/file", headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, data[2:6])
    beyond = await service.client.get("/v1/images/i/file", headers={"Range": "bytes=9999999-"})
    problem(beyond, 416, "range-not-satisfiable")
    head = await service.client.head("/v1/images/i/file")
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(data)))


async def test_thumbnails_are_small_upright_and_kept(service: Service) -> None:
    wide = Image.new("RGB", (400, 200), (200, 30, 30))
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    buffer = BytesIO()
    wide.save(buffer, "JPEG", exif=exif)
    body = (await service.put_image("i", buffer.getvalue())).json()
    assert (body["width"], body["height"]) == (200, 400)
    response = await service.client.get("/v1/images/i/thumbnail?size=100")
    assert response.headers["content-type"] == "image/webp"
    with Image.open(BytesIO(response.content)) as small:
        assert small.size == (50, 100)
    assert (await service.client.get("/v1/images/i/thumbnail?size=100")).content == response.content
    fresh = await service.client.get(
        "/v1/images/i/thumbnail?size=100", headers={"If-None-Match": response.headers["etag"]}
    )
    assert fresh.status_code == 304
    for size in ("63", "1025", "big"):
        problem(await service.client.get(f"/v1/images/i/thumbnail?size={size}"), 422, "invalid-request")
    problem(await service.client.get("/v1/images/none/thumbnail"), 404, "unknown-item")


async def test_a_lost_file_is_said_plainly(service: Service) -> None:
    body = (await service.put_image("i", picture("rice"))).json()
    path = service.runtime.blobs.path_for_serving(body["sha256"])
    assert path is not None
    path.unlink()
    problem(await service.client.get("/v1/images/i/file"), 500, "damaged")
    problem(await service.client.get("/v1/images/i/thumbnail"), 500, "damaged")
    assert (await service.client.get("/v1/images/i")).status_code == 200


async def test_deleting(service: Service) -> None:
    await service.put_image("i", picture("rice"))
    assert (await service.client.delete("/v1/images/i")).status_code == 204
    problem(await service.client.delete("/v1/images/i"), 404, "unknown-item")
    problem(await service.client.get("/v1/images/i/file"), 404, "unknown-item")
