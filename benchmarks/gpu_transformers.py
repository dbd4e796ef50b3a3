"""The same weights in transformers' WhisperForConditionalGeneration, in batches, with SDPA."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from whisper.model import ModelDimensions, Whisper

from benchmarks.gpu_device import wait
from benchmarks.gpu_model import Job

# In this order: openai-whisper's part of a name, and transformers'.
RENAMED = (
    ("blocks.", "layers."),
    ("cross_attn_ln.", "encoder_attn_layer_norm."),
    ("cross_attn.", "encoder_attn."),
    (".attn_ln.", ".self_attn_layer_norm."),
    (".attn.", ".self_attn."),
    (".query.", ".q_proj."),
    (".key.", ".k_proj."),
    (".value.", ".v_proj."),
    (".out.", ".out_proj."),
    ("mlp_ln.", "final_layer_norm."),
    ("mlp.0.", "fc1."),
    ("mlp.2.", "fc2."),
    ("ln_post.", "layer_norm."),
    ("decoder.ln.", "decoder.layer_norm."),
    ("token_embedding.", "embed_tokens."),
    ("positional_embedding", "embed_positions.weight"),
)


def transformers_run(job: Job, model: Whisper, batch: int) -> Callable[[Tensor], int]:
    """Encodes and decodes `batch` windows at a time, every one to the job's number of tokens.

    Raises ImportError without transformers. Its generation of one window's tokens is used, which
    `WhisperForConditionalGeneration.generate` calls too: without timestamp rules, so less work.
    """
    library = importlib.import_module("transformers")
    generation = importlib.import_module("transformers.generation")
    other = _converted(library, job, model)
    config = library.GenerationConfig(
        max_new_tokens=job.tokens,
        min_new_tokens=job.tokens,
        do_sample=False,
        num_beams=1,
        use_cache=True,
        eos_token_id=job.vocabulary.eot,
        pad_token_id=job.vocabulary.eot,
        bos_token_id=job.vocabulary.eot,
        decoder_start_token_id=job.vocabulary.sot,
        suppress_tokens=list(job.suppressed),
    )

    @torch.inference_mode()
    def run(mels: Tensor) -> int:
        tokens = 0
        for part in mels.split(batch):
            start = torch.tensor([job.start.tokens] * len(part), device=job.device)
            output = generation.GenerationMixin.generate(
                other, input_features=part.to(other.dtype), generation_config=config, decoder_input_ids=start
            )
            tokens += (output.shape[1] - start.shape[1]) * len(part)
        wait(job.device)
        return tokens

    return run


def _converted(library: Any, job: Job, model: Whisper) -> Any:
    with torch.device(job.device):
        other = library.WhisperForConditionalGeneration(_config(library, job, model.dims)).eval()
    if job.device.type == "cuda":
        other.half()
    missing, unexpected = other.model.load_state_dict(
        {renamed(name): tensor for name, tensor in model.state_dict().items()}, strict=False
    )
    if missing or unexpected:
        raise RuntimeError(f"transformers names weights in another way: {[*missing, *unexpected][:4]}")
    other.tie_weights()
    return other


def _config(library: Any, job: Job, dims: ModelDimensions) -> Any:
    config = library.WhisperConfig(
        vocab_size=dims.n_vocab,
        num_mel_bins=dims.n_mels,
        d_model=dims.n_audio_state,
        encoder_layers=dims.n_audio_layer,
        encoder_attention_heads=dims.n_audio_head,
        encoder_ffn_dim=4 * dims.n_audio_state,
        decoder_layers=dims.n_text_layer,
        decoder_attention_heads=dims.n_text_head,
        decoder_ffn_dim=4 * dims.n_text_state,
        max_source_positions=dims.n_audio_ctx,
        max_target_positions=dims.n_text_ctx,
        eos_token_id=job.vocabulary.eot,
        bos_token_id=job.vocabulary.eot,
        pad_token_id=job.vocabulary.eot,
        decoder_start_token_id=job.vocabulary.sot,
    )
    config._attn_implementation = "sdpa"
    return config


def renamed(name: str) -> str:
    """transformers' name, below `model.`, for a weight of openai-whisper's."""
    for theirs, ours in RENAMED:
        name = name.replace(theirs, ours)
    return name
