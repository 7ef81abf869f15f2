"""Diffusion pipelines: with a tiny random one where diffusers is installed, with one made by hand where it is not."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.generation.diffusion import TURBO, DiffusionGenerator, DiffusionSampling, load_diffusion
from models.generation.loading import load_generator
from models.generation.types import GeneratorUnavailableError, PictureRequest, PictureRequestError


class HandMadePipeline:
    """Draws the noise itself, shifted by the length of the prompt."""

    def __init__(self) -> None:
        self.unet, self.vae = nn.Linear(2, 2), nn.Linear(1, 1)
        self.unet.config = SimpleNamespace(sample_size=4, in_channels=3)  # type: ignore[assignment]
        self.components = {"unet": self.unet, "vae": self.vae, "tokenizer": object()}
        self.vae_scale_factor, self.device, self.dtype = 1, torch.device("cpu"), torch.float32
        self.calls: list[dict[str, Any]] = []
        self.held_back = ""  # the prompt for which a safety checker gives a black picture

    def set_progress_bar_config(self, disable: bool) -> None:
        assert disable

    def __call__(self, *, prompt: list[str], latents: Tensor, **options: Any) -> Any:
        self.calls.append({"prompt": prompt, **options})
        shift = torch.tensor([len(each) / 50 for each in prompt])[:, None, None, None]
        images = (latents / 8 + 0.3 + shift).permute(0, 2, 3, 1).numpy()
        flags = [each == self.held_back for each in prompt] if self.held_back else None
        return SimpleNamespace(images=images, nsfw_content_detected=flags)


def _ask(seed: int, text: str = "soup", **values: Any) -> PictureRequest:
    return PictureRequest(text=text, seed=seed, size=4, **values)


def test_each_picture_is_drawn_from_its_own_noise() -> None:
    pipeline = HandMadePipeline()
    generator = DiffusionGenerator(pipeline, DiffusionSampling(3, 2.0), name="d")
    requests = [_ask(i, "soup" * (i % 2 + 1), negative_text="rice" * (i == 1)) for i in range(6)]
    drawn = generator.draw(requests)
    assert [len(call["prompt"]) for call in pipeline.calls] == [4, 2]
    assert pipeline.calls[0]["negative_prompt"] == ["", "rice", "", ""]
    assert (pipeline.calls[0]["num_inference_steps"], pipeline.calls[0]["guidance_scale"]) == (3, 2.0)
    for request, together in zip(requests, drawn, strict=True):
        assert (generator.draw([request])[0].pixels == together.pixels).all()
        assert together.pixels.shape == (4, 4, 3)
    assert not (drawn[0].pixels == drawn[2].pixels).all()


def test_it_says_what_it_can_do() -> None:
    turbo = DiffusionGenerator(HandMadePipeline(), TURBO, name="d")
    assert (turbo.info.conditions, turbo.info.sizes, turbo.info.negative) == ("text", (4,), False)
    guided = DiffusionGenerator(HandMadePipeline(), DiffusionSampling(), name="d")
    assert guided.info.negative
    assert guided.info.fingerprint != turbo.info.fingerprint
    with pytest.raises(PictureRequestError, match="what not to draw"):
        turbo.draw([_ask(1, negative_text="rice")])
    with pytest.raises(PictureRequestError, match="no text"):
        turbo.draw([PictureRequest(vector=np.ones(2, dtype=np.float32), size=4)])
    with pytest.raises(ValueError, match="no request"):
        turbo.draw([])
    with pytest.raises(GeneratorUnavailableError, match="SimpleNamespace; pipelines with a U-Net"):
        DiffusionGenerator(SimpleNamespace(), TURBO, name="d")


def test_a_picture_that_a_safety_checker_holds_back_is_no_picture() -> None:
    pipeline = HandMadePipeline()
    pipeline.held_back = "chicken breast"
    generator = DiffusionGenerator(pipeline, DiffusionSampling(), name="d")
    assert len(generator.draw([_ask(1), _ask(2)])) == 2
    with pytest.raises(PictureRequestError, match=r"seed 7 .* another seed or prompt"):
        generator.draw([_ask(1), _ask(7, "chicken breast")])


def test_without_diffusers_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(GeneratorUnavailableError, match=r"pip install 'tastespace\[diffusion\]'"):
        load_generator("diffusers:stabilityai/sd-turbo")


def write_pipeline(folder: Path) -> None:
    """Stable Diffusion's classes, random and as small as they can be."""
    diffusers = pytest.importorskip("diffusers", reason="the package diffusers is not installed")
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(0)
    words = {"<|startoftext|>": 0, "<|endoftext|>": 1, "s": 2, "o": 3, "u": 4, "p</w>": 5}
    unet = diffusers.UNet2DConditionModel(
        block_out_channels=(8, 16), layers_per_block=1, sample_size=8, in_channels=4, out_channels=4, norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16, attention_head_dim=4,
    )  # fmt: skip
    vae = diffusers.AutoencoderKL(
        block_out_channels=(8, 16), in_channels=3, out_channels=3, latent_channels=4, norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    )  # fmt: skip
    text = CLIPTextConfig(
        vocab_size=6, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=8, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    tokenizer = CLIPTokenizer(vocab=words, merges=[], model_max_length=8)
    scheduler = diffusers.EulerAncestralDiscreteScheduler(num_train_timesteps=20)
    diffusers.StableDiffusionPipeline(
        vae=vae, text_encoder=CLIPTextModel(text), tokenizer=tokenizer, unet=unet, scheduler=scheduler,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip


# diffusers warns about its own internals.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", ["tiny", "tiny-turbo"])
def test_a_tiny_pipeline_draws(name: str, tmp_path: Path) -> None:
    write_pipeline(tmp_path / name)
    generator = load_diffusion(str(tmp_path / name))
    assert generator.info.sizes == (16,)
    assert generator.info.negative == (name == "tiny")
    requests = [PictureRequest(text="soup", seed=i, size=16) for i in (1, 2)]
    drawn = generator.draw(requests)
    assert drawn[0].pixels.shape == (16, 16, 3)
    assert not (drawn[0].pixels == drawn[1].pixels).all()
    alone = generator.draw(requests[1:])[0]
    assert np.abs(alone.pixels.astype(int) - drawn[1].pixels.astype(int)).max() <= 1


@pytest.mark.fault
def test_a_folder_that_holds_no_pipeline_is_said(tmp_path: Path) -> None:
    pytest.importorskip("diffusers", reason="the package diffusers is not installed")
    with pytest.raises(GeneratorUnavailableError, match="can't be loaded"):
        load_diffusion(str(tmp_path))
