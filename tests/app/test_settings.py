from __future__ import annotations

from pathlib import Path

import pytest

from app.engine.placement import Place, WorkerAddress
from app.settings import Settings, SettingsError


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("TASTESPACE_"):
            monkeypatch.delenv(name)


def test_defaults_need_nothing() -> None:
    settings = Settings.load()
    assert settings.encoder == "tastespace-lite"
    assert settings.catalogue_url.startswith("sqlite:///")
    assert settings.blobs_url.endswith("blobs")
    assert settings.import_roots == ()
    assert settings.api_key is None


def test_environment_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TASTESPACE_PORT", "9000")
    monkeypatch.setenv("TASTESPACE_IMPORT_ROOTS", f"{tmp_path}, {tmp_path}")
    monkeypatch.setenv("TASTESPACE_CORS_ORIGINS", "https://a.example,https://b.example")
    monkeypatch.setenv("TASTESPACE_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("TASTESPACE_DATABASE_URL", "postgresql://db/x")
    settings = Settings.load()
    assert settings.port == 9000
    assert settings.import_roots == (tmp_path, tmp_path)
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.log_level == "debug"
    assert settings.catalogue_url == "postgresql://db/x"


def test_overrides_win_and_none_is_no_override(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASTESPACE_PORT", "9000")
    assert Settings.load(port=9001).port == 9001
    assert Settings.load(port=None).port == 9000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "many"),
        ("PORT", "70000"),
        ("MAX_BODY_MB", "0"),
        ("DEVICE", "toaster"),
        ("IMPORT_ROOTS", "/there/is/no/such/folder"),
        ("API_KEY", "   "),
        ("LOG_LEVEL", "loud"),
        ("REQUEST_TIMEOUT_S", "-1"),
        ("DECODE_THREADS", "0"),
        ("CAPTIONER", ""),
        ("REASONER", ""),
        ("GENERATOR", ""),
        ("PLACEMENT", "encoder=toaster"),
        ("PLACEMENT", "encoder=cpu,"),
        ("PLACEMENT", "encoder=cpu@worker:8100"),
        ("WORKER_KEY", "too short"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"TASTESPACE_{name}", value)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    message = str(caught.value)
    assert message.startswith(f"TASTESPACE_{name} is wrong: ")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("encoder", "asked", "generator"),
    [
        (None, None, "tastespace-pictures"),
        ("tastespace-lite", "auto", "tastespace-pictures"),
        ("lite:mine", None, "none"),
        ("open_clip:ViT-B-32/openai", "auto", "none"),
        ("lite:mine", "latent:pictures", "latent:pictures"),
        (None, "none", "none"),
    ],
)
def test_pictures_are_drawn_where_the_shipped_generator_reads_the_encoder(
    monkeypatch: pytest.MonkeyPatch, encoder: str | None, asked: str | None, generator: str
) -> None:
    if asked is not None:
        monkeypatch.setenv("TASTESPACE_GENERATOR", asked)
    assert Settings.load(encoder=encoder).generator == generator


def test_a_placement_is_read_and_held_to_the_models_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASTESPACE_PLACEMENT", "encoder=cuda:0,captioner=cpu@process")
    monkeypatch.setenv("TASTESPACE_CAPTIONER", "tell:folder")
    assert Settings.load().placement == (Place("encoder", "cuda:0"), Place("captioner", "cpu", process=True))
    monkeypatch.setenv("TASTESPACE_CAPTIONER", "none")
    with pytest.raises(SettingsError, match="TASTESPACE_PLACEMENT is wrong: it places the captioner, but") as caught:
        Settings.load()
    assert "TASTESPACE_CAPTIONER is none; name one there" in str(caught.value)


def test_a_worker_host_needs_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASTESPACE_PLACEMENT", "all=cuda:0@worker:8100")
    with pytest.raises(SettingsError, match="places models on worker:8100, but TASTESPACE_WORKER_KEY is not set"):
        Settings.load()
    monkeypatch.setenv("TASTESPACE_WORKER_KEY", "guess me")
    with pytest.raises(SettingsError, match="fewer than 16 characters") as caught:
        Settings.load()
    assert "guess me" not in str(caught.value)
    monkeypatch.setenv("TASTESPACE_WORKER_KEY", "k" * 16)
    settings = Settings.load()
    assert settings.placement == (Place("all", "cuda:0", worker=WorkerAddress("worker", 8100)),)
    assert settings.required_worker_key() == b"k" * 16
    assert "k" * 16 not in repr(settings)


def test_the_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASTESPACE_API_KEY", "sesame")
    settings = Settings.load()
    assert "sesame" not in repr(settings)
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "sesame"


def test_relative_data_dir_gives_absolute_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.load(data_dir="here")
    assert settings.catalogue_url == f"sqlite:///{tmp_path / 'here' / 'catalogue.sqlite'}"
    assert settings.blobs_url == str(tmp_path / "here" / "blobs")
