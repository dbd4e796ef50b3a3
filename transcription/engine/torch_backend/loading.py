"""Whisper's weights, from OpenAI's own file or from a CTranslate2 folder."""

from __future__ import annotations

import base64
import gzip
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
import whisper
from numpy.typing import NDArray
from torch import Tensor
from whisper.model import ModelDimensions, Whisper

from transcription.engine.ct2_file import read_variables
from transcription.engine.dimensions import HEAD_WIDTH
from transcription.engine.torch_backend.parameters import Parameters, of_state
from transcription.engine.types import EngineError

Variables = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class StoredWhisper:
    """A Whisper in its file, under openai-whisper's names.

    state: reads a weight when it is asked for. alignment_heads: pairs of (layer, head).
    """

    dims: ModelDimensions
    state: Mapping[str, Tensor]
    alignment_heads: list[tuple[int, int]]

    def parameters(self, device: str) -> Parameters:
        """Returns its parameters, in fp16 on a GPU and fp32 on a CPU.

        Weights go to the device one by one: on a GPU the host has the file's pages, which the kernel may drop, and
        little more.
        """
        return of_state(self.dims, self.state, self.alignment_heads, device)

    def whisper(self) -> Whisper:
        """Returns openai-whisper's own module, in fp32 on the CPU."""
        model = Whisper(self.dims)
        model.load_state_dict(dict(self.state), strict=True)
        heads = torch.zeros(self.dims.n_text_layer, self.dims.n_text_head, dtype=torch.bool)
        for layer, head in self.alignment_heads:
            heads[layer, head] = True
        model.register_buffer("alignment_heads", heads.to_sparse(), persistent=False)
        return model.eval()


def stored_whisper(name: str, path: Path) -> StoredWhisper:
    """Opens the model called `name`.

    path: a `.pt` of OpenAI's, or a folder with CTranslate2's `model.bin` and `config.json`.
    """
    return _of_ctranslate2(path) if path.is_dir() else _of_openai(name, path)


def load_whisper(name: str, path: Path) -> Whisper:
    """Loads openai-whisper's own module with the weights of the model called `name`, in fp32 on the CPU."""
    return stored_whisper(name, path).whisper()


def _of_openai(name: str, path: Path) -> StoredWhisper:
    found = torch.load(path, map_location="cpu", mmap=zipfile.is_zipfile(path), weights_only=True)
    dims = ModelDimensions(**found["dims"])
    packed = np.frombuffer(gzip.decompress(base64.b85decode(whisper._ALIGNMENT_HEADS[name])), dtype=bool)
    heads = np.argwhere(packed.reshape(dims.n_text_layer, dims.n_text_head)).tolist()
    return StoredWhisper(dims, found["model_state_dict"], [(layer, head) for layer, head in heads])


def _of_ctranslate2(folder: Path) -> StoredWhisper:
    variables = _floats(folder / "model.bin")
    heads = json.loads((folder / "config.json").read_text())["alignment_heads"]
    state = _Weights(dict(chain(_encoder(variables), _decoder(variables))))
    return StoredWhisper(_dimensions(variables), state, [(layer, head) for layer, head in heads])


class _Weights(Mapping[str, Tensor]):
    """Arrays as tensors, each of which is copied when it is asked for."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._arrays = arrays

    def __getitem__(self, name: str) -> Tensor:
        return torch.from_numpy(np.array(self._arrays[name]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


def _floats(file: Path) -> Variables:
    """Raises EngineError for a file that ends early, is another version's, or holds other numbers than floats."""
    variables = read_variables(file)
    if any(variable.dtype.kind == "i" and variable.size > 1 for variable in variables.values()):
        raise EngineError(
            f"{file} was quantised when it was converted, which torch does not read: convert it with float16, or use "
            "the backend openvino or ctranslate2"
        )
    return variables


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
