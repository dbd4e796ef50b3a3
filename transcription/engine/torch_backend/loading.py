"""Whisper's weights, from OpenAI's own file or from a CTranslate2 folder."""

from __future__ import annotations

import base64
import gzip
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import whisper
from numpy.typing import NDArray
from torch import Tensor
from whisper.model import ModelDimensions, Whisper

from transcription.engine.alignment_heads import alignment_heads_in
from transcription.engine.ct2_file import dimensions_of, read_variables
from transcription.engine.model_folder import MODEL
from transcription.engine.own_models.layout import Layout, expected_shapes
from transcription.engine.own_models.model_file import sources_of
from transcription.engine.torch_backend.checkpoint import of_openai
from transcription.engine.torch_backend.parameters import Parameters, of_state
from transcription.engine.types import EngineError

Variables = dict[str, NDArray[Any]]
POSITIONS = "position_encodings/encodings"


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
    file = folder / MODEL
    variables, own = _floats(file), dimensions_of(file)
    if own is None:
        raise EngineError(f"{file} holds no Whisper")
    tokens, (text_ctx, _) = len(variables["decoder/embeddings/weight"]), variables[f"decoder/{POSITIONS}"].shape
    audio_ctx = len(variables[f"encoder/{POSITIONS}"])
    audio = (own.n_mels, audio_ctx, own.state, own.heads, own.audio_layers)
    dims = ModelDimensions(*audio, tokens, text_ctx, own.state, own.heads, own.text_layers)
    arrays: dict[str, NDArray[Any]] = {}
    for name in expected_shapes(Layout(own, tokens)):
        sources = sources_of(name)
        arrays |= dict(zip(map(of_openai, sources), np.split(variables[name], len(sources)), strict=True))
    # Whisper's key has no bias: those rows are zero.
    state = _Weights({name: array for name, array in arrays.items() if not name.endswith(".key.bias")})
    return StoredWhisper(dims, state, alignment_heads_in(folder))


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
