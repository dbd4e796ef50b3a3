"""Converts weights for the contestants: `var/contestants/venv/bin/python -m benchmarks.contestants.models MODEL…`.

It runs in the contestants' environment, which `make contestants` makes. A model's weights are those that our engine
has (`python -m transcription.engine fetch MODEL`): CTranslate2's folder. What is there already is left.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import whisper
from whisper.model import Whisper
from whisper.tokenizer import LANGUAGES

from benchmarks.contestants import ggml
from benchmarks.contestants.entries import ggml_file, model_folder, openvino_folder
from benchmarks.gpu_transformers import renamed
from transcription.engine.torch_backend.loading import load_whisper

ASSETS = Path(whisper.__file__).parent / "assets"


def main() -> None:
    for name in sys.argv[1:]:
        folder = model_folder(name)
        if not (folder / "model.bin").exists():
            sys.exit(f"There are no weights of {name} in {folder}: python -m transcription.engine fetch {name}")
        ggml_file(name).parent.mkdir(parents=True, exist_ok=True)
        if not ggml_file(name).exists():
            print(f"Converting {name} for whisper.cpp ...", flush=True)
            write_ggml(load_whisper(name, folder), ggml_file(name))
        if not openvino_folder(name).exists():
            print(f"Converting {name} for OpenVINO GenAI ...", flush=True)
            export_openvino(load_whisper(name, folder), folder, openvino_folder(name))


def write_ggml(model: Whisper, target: Path) -> None:
    """openai-whisper's model in whisper.cpp's form."""
    mels, *others = astuple(model.dims)
    vocabulary = "multilingual" if model.is_multilingual else "gpt2"
    lines = (ASSETS / f"{vocabulary}.tiktoken").read_bytes().splitlines()
    with np.load(ASSETS / "mel_filters.npz") as filters:
        shape = [*others[:4], others[5], others[6], others[7], others[8]]
        ggml.write(
            target,
            [others[4], *shape, mels],
            filters[f"mel_{mels}"],
            [base64.b64decode(line.split()[0]) for line in lines if line],
            {name: value.float().numpy() for name, value in model.state_dict().items()},
        )


def export_openvino(model: Whisper, folder: Path, target: Path) -> None:
    """By way of Transformers, with the command that OpenVINO's documentation names; weights in int8."""
    with tempfile.TemporaryDirectory(dir=target.parent) as working:
        source, unfinished = Path(working, "transformers"), Path(working, "openvino")
        save_for_transformers(model, folder, source)
        command: list[str | Path] = [
            Path(sys.executable).with_name("optimum-cli"),
            *("export", "openvino", "--task", "automatic-speech-recognition-with-past", "--weight-format", "int8"),
            *("--library", "transformers", "--model", source, unfinished),
        ]
        offline = os.environ | {"HF_HUB_OFFLINE": "1", "NNCF_DISABLE_TELEMETRY": "1"}
        done = subprocess.run(command, env=offline, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.exit(done.stdout[-3000:])
        unfinished.rename(target)


def save_for_transformers(model: Whisper, folder: Path, target: Path) -> None:
    """The model as Transformers' `from_pretrained` takes it. folder: CTranslate2's, for tokens and configuration."""
    from transformers import (
        GenerationConfig,
        PreTrainedTokenizerFast,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    known = json.loads((folder / "config.json").read_text())
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    dims, token = model.dims, tokenizer.convert_tokens_to_ids
    special: dict[str, Any] = {
        "bos_token_id": token("<|endoftext|>"),
        "eos_token_id": token("<|endoftext|>"),
        "pad_token_id": token("<|endoftext|>"),
        "decoder_start_token_id": token("<|startoftranscript|>"),
        "begin_suppress_tokens": known["suppress_ids_begin"],
    }
    config = WhisperConfig(
        vocab_size=dims.n_vocab,
        num_mel_bins=dims.n_mels,
        encoder_layers=dims.n_audio_layer,
        encoder_attention_heads=dims.n_audio_head,
        decoder_layers=dims.n_text_layer,
        decoder_attention_heads=dims.n_text_head,
        d_model=dims.n_audio_state,
        encoder_ffn_dim=4 * dims.n_audio_state,
        decoder_ffn_dim=4 * dims.n_text_state,
        max_source_positions=dims.n_audio_ctx,
        max_target_positions=dims.n_text_ctx,
        **special,
    )
    theirs = WhisperForConditionalGeneration(config)
    theirs.load_state_dict(_named_as_in_transformers(model), strict=True)
    spoken = [f"<|{language}|>" for language in LANGUAGES][: max(0, dims.n_vocab - 51_766)]
    theirs.generation_config = GenerationConfig(
        alignment_heads=known["alignment_heads"],
        suppress_tokens=known["suppress_ids"],
        is_multilingual=model.is_multilingual,
        lang_to_id={each: token(each) for each in spoken} if model.is_multilingual else None,
        task_to_id={task: token(f"<|{task}|>") for task in ("transcribe", "translate")},
        no_timestamps_token_id=token("<|notimestamps|>"),
        prev_sot_token_id=token("<|startofprev|>"),
        max_initial_timestamp_index=50,
        max_length=dims.n_text_ctx,
        return_timestamps=False,
        **special,
    )
    for part in (theirs, tokenizer, WhisperFeatureExtractor(feature_size=dims.n_mels)):
        part.save_pretrained(target)


def _named_as_in_transformers(model: Whisper) -> dict[str, Any]:
    variables = {f"model.{renamed(name)}": value for name, value in model.state_dict().items()}
    return variables | {"proj_out.weight": variables["model.decoder.embed_tokens.weight"]}


if __name__ == "__main__":
    main()
