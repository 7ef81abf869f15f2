"""Settings of the service, read from the environment (``TASTESPACE_*``) and overridden by the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.engine.placement import PLACED_MODELS, Place, PlacedModel, parse_placement

MEBIBYTE = 1024 * 1024
ENV_PREFIX = "TASTESPACE_"
NO_MODEL = "none"
_SHIPPED_ENCODER, _SHIPPED_GENERATOR = "tastespace-lite", "tastespace-pictures"
_WORKER_KEY = f"{ENV_PREFIX}WORKER_KEY"
_KEY_CHARACTERS = 16
_SECRETS = (("api_key",), ("worker_key",))

LogLevel = Literal["debug", "info", "warning", "error"]
RuntimeName = Literal["auto", "torch", "openvino"]


class SettingsError(ValueError):
    """A setting has a wrong value; the message is one clear sentence that names the variable."""


class Settings(BaseSettings):
    """Everything that can be set. Lists are comma-separated in the environment."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, extra="ignore", frozen=True, str_strip_whitespace=True, validate_default=True
    )

    # Where things are kept
    data_dir: Path = Field(default=Path("tastespace-data"), description="Folder of the catalogue, pictures and index.")
    database_url: str | None = Field(default=None, description="Catalogue; default: SQLite in data_dir.")
    blob_url: str | None = Field(default=None, description="fsspec URL of the pictures; default: a folder in data_dir.")
    builtin_catalogue: bool = Field(
        default=True, description="Fill an empty catalogue with the built-in recipes and their pictures."
    )

    # Model and engine
    encoder: str = Field(default=_SHIPPED_ENCODER, min_length=1, description="Joint encoder, see models.registry.")
    device: str = Field(default="cpu", pattern=r"^(cpu|mps|cuda(:\d+)?)$", description="Where the model runs.")
    runtime: RuntimeName = Field(default="auto", description="What computes the model; auto: openvino on a CPU.")
    model_cache: Path | None = Field(default=None, description="Folder of converted models; default: in data_dir.")
    threads: int | None = Field(default=None, ge=1, le=1024, description="CPU threads of the model.")
    captioner: str = Field(default="tastespace-captions", min_length=1, description="See models.captioning.loading.")
    reasoner: str = Field(
        default="tastespace-answers", min_length=1, description="See models.reasoning.loading; none: without."
    )
    generator: str = Field(
        default="auto",
        min_length=1,
        description="See models.generation.loading; auto: the shipped one beside the shipped encoder; none: without.",
    )
    generator_batch: int = Field(default=8, ge=1, le=256, description="Most pictures that are drawn in one batch.")
    generator_candidates: int = Field(
        default=4, ge=1, le=8, description="Pictures drawn for each that is answered, where a request says nothing."
    )
    worker_key: SecretStr | None = Field(default=None, description="Secret of the service and its worker hosts.")
    placement: Annotated[tuple[Place, ...], NoDecode] = Field(
        default=(),
        description="Models elsewhere than in a thread on device: MODEL=DEVICE, MODEL=DEVICE@process or "
        "MODEL=DEVICE@HOST:PORT.",
    )
    words: Path | None = Field(default=None, description="Folder of word vectors; default: those shipped.")
    tags: Path | None = Field(default=None, description="Folder of tag weights; default: those shipped.")
    queue_items: int = Field(default=512, ge=128, description="Items that may wait; past it 503 is answered.")
    batch_items: int = Field(default=16, ge=1, le=4096, description="Most items in one batch of the model.")
    batch_wait_ms: float = Field(default=0.0, ge=0, le=1000, description="How long an idle lane waits for company.")
    decode_threads: int | None = Field(default=None, ge=1, le=256, description="Threads that decode pictures.")
    database_threads: int = Field(default=8, ge=1, le=256, description="Threads for catalogue and index.")
    request_timeout_s: float = Field(default=30.0, gt=0, le=3600, description="Longest wait of a request.")
    index_save_interval_s: float = Field(default=300.0, gt=0, description="How often a changed index is saved.")

    drawn_lifetime_s: float = Field(
        default=3600.0, gt=0, le=30 * 86400, description="How long drawn pictures that are answered as a URL are kept."
    )

    # HTTP
    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8000, ge=0, le=65535, description="0: any free port.")
    api_key: SecretStr | None = Field(default=None, description="When set, /v1 wants `Authorization: Bearer KEY`.")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(default=(), description="Origins of browser pages.")

    # Limits
    max_body_mb: int = Field(default=32, ge=1, le=65536, description="Largest request body (imports: import_max_mb).")
    max_upload_files: int = Field(default=64, ge=1, le=1000, description="Most pictures in one call.")
    max_items: int = Field(default=1000, ge=1, le=10_000, description="Most recipes in one call.")
    max_pixels: int = Field(default=50_000_000, ge=1, description="Largest picture, width times height.")
    import_max_mb: int = Field(default=2048, ge=1, le=1_048_576, description="Largest archive, packed or unpacked.")
    import_roots: Annotated[tuple[Path, ...], NoDecode] = Field(default=(), description="Folders that may be imported.")

    # Logging
    log_level: LogLevel = "info"
    log_json: bool = Field(default=False, description="One JSON object a line instead of text.")

    @field_validator("cors_origins", "import_roots", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("generator")
    @classmethod
    def _generator_reads_the_encoder(cls, value: str, info: ValidationInfo) -> str:
        """A generator is told vectors of the encoder that it was trained with: beside any other the service would not
        start."""
        if value != "auto":
            return value
        return _SHIPPED_GENERATOR if info.data.get("encoder") == _SHIPPED_ENCODER else NO_MODEL

    @field_validator("placement", mode="before")
    @classmethod
    def _places(cls, value: object) -> object:
        return parse_placement(value) if isinstance(value, str) else value

    @field_validator("placement")
    @classmethod
    def _placed_models_are_asked_for(cls, value: tuple[Place, ...], info: ValidationInfo) -> tuple[Place, ...]:
        for model in PLACED_MODELS:
            if info.data.get(model) == NO_MODEL and any(place.model == model for place in value):
                raise ValueError(
                    f"it places the {model}, but {ENV_PREFIX}{model.upper()} is {NO_MODEL}; name one there"
                )
        return value

    @field_validator("placement")
    @classmethod
    def _worker_hosts_need_the_key(cls, value: tuple[Place, ...], info: ValidationInfo) -> tuple[Place, ...]:
        worker = next((place.worker for place in value if place.worker is not None), None)
        if worker is not None and "worker_key" in info.data and info.data["worker_key"] is None:
            raise ValueError(f"it places models on {worker}, but {_WORKER_KEY} is not set; set it as there")
        return value

    @field_validator("worker_key")
    @classmethod
    def _worker_key_is_hard_to_guess(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < _KEY_CHARACTERS:
            raise ValueError(
                f"it has fewer than {_KEY_CHARACTERS} characters; make one with `openssl rand -hex 32`, for both sides"
            )
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("api_key")
    @classmethod
    def _api_key_is_not_blank(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().strip():
            raise ValueError("must not be blank; leave it unset to serve without a key")
        return value

    @field_validator("import_roots")
    @classmethod
    def _roots_are_folders(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        for root in value:
            if not root.is_dir():
                raise ValueError(f"{root} is not a folder")
        return tuple(root.resolve() for root in value)

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the environment; ``overrides`` that are None are left out.

        Raises:
            SettingsError: naming the first wrong variable and what is wrong with it.
        """
        try:
            return cls(**{name: value for name, value in overrides.items() if value is not None})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ENV_PREFIX + "_".join(str(part) for part in first["loc"][:1]).upper()
            reason = first["msg"].removeprefix("Value error, ")
            got = "" if first["loc"][:1] in _SECRETS else f" (got {first['input']!r})"
            raise SettingsError(f"{name} is wrong: {reason}{got}") from None

    def with_models(self, *wanted: PlacedModel) -> Self:
        """These settings without the models beside the encoder that a command has no use for; ``wanted`` stay."""
        unused = set(PLACED_MODELS) - {"encoder", *wanted}
        return self.model_copy(update=dict.fromkeys(unused, NO_MODEL))

    def required_worker_key(self) -> bytes:
        """The key that a service and its worker hosts share. Raises SettingsError where none is set."""
        if self.worker_key is None:
            raise SettingsError(
                f"{_WORKER_KEY} is not set; make a key with `openssl rand -hex 32` and set it on both sides"
            )
        return self.worker_key.get_secret_value().encode()

    @property
    def catalogue_url(self) -> str:
        return self.database_url or f"sqlite:///{(self.data_dir / 'catalogue.sqlite').resolve()}"

    @property
    def blobs_url(self) -> str:
        return self.blob_url or str((self.data_dir / "blobs").resolve())

    @property
    def models_dir(self) -> Path:
        return self.model_cache or self.data_dir / "models"

    @property
    def existing_models_dir(self) -> Path | None:
        """The same for commands that work without a catalogue: they don't make a data directory for it."""
        return self.models_dir if self.model_cache or self.data_dir.is_dir() else None

    @property
    def index_dir(self) -> Path:
        return self.data_dir / "index"

    @property
    def uploads_dir(self) -> Path:
        return self.data_dir / "uploads"

    @property
    def thumbnails_dir(self) -> Path:
        return self.data_dir / "thumbnails"

    @property
    def drawn_dir(self) -> Path:
        return self.data_dir / "drawn"

    @property
    def max_body_bytes(self) -> int:
        return self.max_body_mb * MEBIBYTE

    @property
    def import_max_bytes(self) -> int:
        return self.import_max_mb * MEBIBYTE
