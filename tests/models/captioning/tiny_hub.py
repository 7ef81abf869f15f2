"""Tiny captioners of transformers with random weights, saved as the real ones are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipProcessor,
    CLIPImageProcessor,
    GitConfig,
    GitForCausalLM,
    GitProcessor,
    GPT2Config,
    PreTrainedTokenizerFast,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTConfig,
    ViTImageProcessor,
)

SIZE = 32
WORDS = ["a", "dog", "cat", "soup", "on", "red", "the", "plate", "eats", "##s", "##ing", "##y", ".", ","]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PAD, CLS, SEP = 0, 2, 3
_BODY = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}


def save_blip(folder: Path) -> Path:
    """16 patches; word pieces."""
    text = {**_BODY, "vocab_size": len(SPECIAL) + len(WORDS), "max_position_embeddings": 160, "encoder_hidden_size": 32}
    text |= {"pad_token_id": PAD, "bos_token_id": CLS, "eos_token_id": SEP, "sep_token_id": SEP}
    # What initialises BLIP's own encoder is next to nothing.
    vision = {**_BODY, "image_size": SIZE, "patch_size": 8, "initializer_range": 0.02}
    config = BlipConfig(text_config=text, vision_config=vision)
    _save(BlipForConditionalGeneration, config, folder, SEP)
    processor = BlipImageProcessor(size={"height": SIZE, "width": SIZE})
    BlipProcessor(processor, _bert(folder)).save_pretrained(folder)
    return folder


def save_git(folder: Path) -> Path:
    config = GitConfig(
        vision_config={**_BODY, "image_size": SIZE, "patch_size": 8},
        **_BODY,
        vocab_size=len(SPECIAL) + len(WORDS),
        max_position_embeddings=160,
        pad_token_id=PAD,
        bos_token_id=CLS,
        eos_token_id=SEP,
    )
    _save(GitForCausalLM, config, folder, SEP)
    processor = CLIPImageProcessor(size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE})
    GitProcessor(processor, _bert(folder)).save_pretrained(folder)
    return folder


def save_vit_gpt2(folder: Path) -> Path:
    """Byte-level pieces, whose start, end and padding are one, as in the real one."""
    tokenizer = _bytes(folder)
    decoder = GPT2Config(
        vocab_size=len(tokenizer), n_positions=160, n_embd=32, n_layer=2, n_head=2, add_cross_attention=True,
        bos_token_id=0, eos_token_id=0, is_decoder=True,
    )  # fmt: skip
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        ViTConfig(**_BODY, image_size=SIZE, patch_size=16), decoder
    )
    config.decoder_start_token_id = config.pad_token_id = config.eos_token_id = 0
    _save(VisionEncoderDecoderModel, config, folder, 0)
    ViTImageProcessor(size={"height": SIZE, "width": SIZE}).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _save(model: Any, config: Any, folder: Path, end: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = model(config)
        # Weights as small as those of a fresh network say the same of every photo, and of a large vocabulary the end
        # is hardly ever the likeliest.
        for name, parameter in made.named_parameters():
            if parameter.ndim > 1 and not name.endswith(("position_embedding", "class_embedding")):
                parameter.data.mul_(12)
        writer = getattr(made, "text_decoder", getattr(made, "decoder", made))
        writer.get_output_embeddings().weight.data[end] *= 6
        made.save_pretrained(folder)


def _bert(folder: Path) -> Any:
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL, *WORDS]))
    return BertTokenizer(vocab={word: place for place, word in enumerate([*SPECIAL, *WORDS])})


def _bytes(folder: Path) -> Any:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("d", "o"), ("do", "g"), ("Ġ", "a"), ("Ġ", "do"), ("Ġdo", "g")]
    pieces = ["<|endoftext|>", *letters, *("".join(merge) for merge in merges)]
    tokenizer = Tokenizer(models.BPE({piece: place for place, piece in enumerate(pieces)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    folder.mkdir(exist_ok=True)
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=end, eos_token=end, unk_token=end)
