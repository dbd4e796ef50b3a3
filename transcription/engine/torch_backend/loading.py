"""openai-whisper's model, from OpenAI's own file or from a CTranslate2 folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
import whisper
from numpy.typing import NDArray
from whisper.model import LayerNorm, ModelDimensions, Whisper

from transcription.engine.ct2_file import read_variables
from transcription.engine.dimensions import HEAD_WIDTH
from transcription.engine.types import EngineError

Variables = dict[str, NDArray[Any]]


def load_whisper(name: str, path: Path, device: str) -> Whisper:
    """Loads the model called `name`, in fp16 on a GPU and fp32 on a CPU.

    path: a `.pt` of OpenAI's, or a folder with CTranslate2's `model.bin` and `config.json`.
    """
    model = _from_ctranslate2(path) if path.is_dir() else _from_openai(name, path)
    model.eval()
    return _halved(model).to(device) if device == "cuda" else model.float().to(device)


def _from_openai(name: str, path: Path) -> Whisper:
    model = whisper.load_model(str(path), device="cpu")
    model.set_alignment_heads(whisper._ALIGNMENT_HEADS[name])
    return model


def _from_ctranslate2(folder: Path) -> Whisper:
    variables = _floats(folder / "model.bin")
    model = Whisper(_dimensions(variables))
    model.load_state_dict(_tensors(chain(_encoder(variables), _decoder(variables))), strict=True)
    heads = torch.zeros(model.dims.n_text_layer, model.dims.n_text_head, dtype=torch.bool)
    for layer, head in json.loads((folder / "config.json").read_text())["alignment_heads"]:
        heads[layer, head] = True
    model.register_buffer("alignment_heads", heads.to_sparse(), persistent=False)
    return model


def _floats(file: Path, prefix: str = "") -> Variables:
    """Raises EngineError for a file that ends early, is another version's, or holds other numbers than floats."""
    variables = read_variables(file, prefix)
    if any(variable.dtype.kind == "i" and variable.size > 1 for variable in variables.values()):
        raise EngineError(
            f"{file} was quantised when it was converted, which torch does not read: convert it with float16, or use "
            "the backend ctranslate2"
        )
    return variables


def _halved(model: Whisper) -> Whisper:
    """Converts the weights to fp16 once, instead of at every call; LayerNorm computes in fp32 and stays so."""
    model.half()
    for module in model.modules():
        if isinstance(module, LayerNorm):
            module.float()
    return model


def _dimensions(variables: Variables) -> ModelDimensions:
    audio_ctx, audio_state = variables["encoder/position_encodings/encodings"].shape
    text_ctx, text_state = variables["decoder/position_encodings/encodings"].shape
    return ModelDimensions(
        n_mels=variables["encoder/conv1/weight"].shape[1],
        n_audio_ctx=audio_ctx,
        n_audio_state=audio_state,
        n_audio_head=audio_state // HEAD_WIDTH,
        n_audio_layer=_layers(variables, "encoder"),
        n_vocab=variables["decoder/embeddings/weight"].shape[0],
        n_text_ctx=text_ctx,
        n_text_state=text_state,
        n_text_head=text_state // HEAD_WIDTH,
        n_text_layer=_layers(variables, "decoder"),
    )


def _layers(variables: Variables, half: str) -> int:
    return sum(name.startswith(half) and name.endswith("ffn/linear_0/bias") for name in variables)


def _tensors(variables: Iterable[tuple[str, NDArray[Any]]]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.array(value, dtype=np.float32)) for name, value in variables}


def _encoder(variables: Variables) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yields the encoder's variables under openai-whisper's names, projections taken apart."""
    yield "encoder.positional_embedding", variables["encoder/position_encodings/encodings"]
    for conv in ("conv1", "conv2"):
        yield from _both(variables, f"encoder/{conv}", f"encoder.{conv}")
    yield from _norm(variables, "encoder/layer_norm", "encoder.ln_post")
    for number in range(_layers(variables, "encoder")):
        yield from _layer(variables, f"encoder/layer_{number}", f"encoder.blocks.{number}")


def _decoder(variables: Variables) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yields the decoder's variables under openai-whisper's names, projections taken apart."""
    yield "decoder.positional_embedding", variables["decoder/position_encodings/encodings"]
    yield "decoder.token_embedding.weight", variables["decoder/embeddings/weight"]
    yield from _norm(variables, "decoder/layer_norm", "decoder.ln")
    for number in range(_layers(variables, "decoder")):
        yield from _layer(variables, f"decoder/layer_{number}", f"decoder.blocks.{number}")


def _layer(variables: Variables, source: str, target: str) -> Iterator[tuple[str, NDArray[Any]]]:
    attention = f"{source}/self_attention"
    yield from _norm(variables, f"{attention}/layer_norm", f"{target}.attn_ln")
    yield from _parts(variables, f"{attention}/linear_0", f"{target}.attn", "query key value")
    yield from _both(variables, f"{attention}/linear_1", f"{target}.attn.out")
    cross = f"{source}/attention"
    if f"{cross}/linear_0/weight" in variables:
        yield from _norm(variables, f"{cross}/layer_norm", f"{target}.cross_attn_ln")
        yield from _both(variables, f"{cross}/linear_0", f"{target}.cross_attn.query")
        yield from _parts(variables, f"{cross}/linear_1", f"{target}.cross_attn", "key value")
        yield from _both(variables, f"{cross}/linear_2", f"{target}.cross_attn.out")
    yield from _norm(variables, f"{source}/ffn/layer_norm", f"{target}.mlp_ln")
    yield from _both(variables, f"{source}/ffn/linear_0", f"{target}.mlp.0")
    yield from _both(variables, f"{source}/ffn/linear_1", f"{target}.mlp.2")


def _both(variables: Variables, source: str, target: str) -> Iterator[tuple[str, NDArray[Any]]]:
    for part in ("weight", "bias"):
        yield f"{target}.{part}", variables[f"{source}/{part}"]


def _norm(variables: Variables, source: str, target: str) -> Iterator[tuple[str, NDArray[Any]]]:
    yield f"{target}.weight", variables[f"{source}/gamma"]
    yield f"{target}.bias", variables[f"{source}/beta"]


def _parts(variables: Variables, source: str, target: str, names: str) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yields stacked projections one by one, without the key's bias: Whisper has none, those rows are zero."""
    stacked = names.split()
    weights = np.split(variables[f"{source}/weight"], len(stacked))
    biases = np.split(variables[f"{source}/bias"], len(stacked))
    for name, weight, bias in zip(stacked, weights, biases, strict=True):
        yield f"{target}.{name}.weight", weight
        if name != "key":
            yield f"{target}.{name}.bias", bias
