"""Small untrained models as people publish what they trained: checkpoints, Hugging Face's folders, CTranslate2's."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MELS, STATE, LAYERS = 80, 64, 2
TOKENS = 51_865

VOCABULARY = {"vocab.json": json.dumps({f"t{n}": n for n in range(50_255)} | {"Ġ": 50_255, "": 50_256}).encode()}
"""As many tokens of text as a multilingual Whisper's has."""

Weights = dict[str, NDArray[np.float32]]


def weights_of_transformers(
    mels: int = MELS, state: int = STATE, layers: int = LAYERS, vocabulary: int = TOKENS
) -> Weights:
    """Random weights under the names that Transformers gives them; keys have no bias."""
    chance = np.random.default_rng(3)
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.conv1.weight": (state, mels, 3),
        "encoder.conv1.bias": (state,),
        "encoder.conv2.weight": (state, state, 3),
        "encoder.conv2.bias": (state,),
        "encoder.embed_positions.weight": (1500, state),
        "decoder.embed_positions.weight": (448, state),
        "decoder.embed_tokens.weight": (vocabulary, state),
    }
    for half, attentions in (("encoder", ["self_attn"]), ("decoder", ["self_attn", "encoder_attn"])):
        norms = [f"{half}.layer_norm"]
        for layer in (f"{half}.layers.{number}" for number in range(layers)):
            norms += [f"{layer}.final_layer_norm", *(f"{layer}.{attention}_layer_norm" for attention in attentions)]
            shapes |= {f"{layer}.fc1.weight": (4 * state, state), f"{layer}.fc1.bias": (4 * state,)}
            shapes |= {f"{layer}.fc2.weight": (state, 4 * state), f"{layer}.fc2.bias": (state,)}
            for attention in attentions:
                for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
                    shapes[f"{layer}.{attention}.{part}.weight"] = (state, state)
                    if part != "k_proj":
                        shapes[f"{layer}.{attention}.{part}.bias"] = (state,)
        shapes |= {f"{norm}.{end}": (state,) for norm in norms for end in ("weight", "bias")}
    return {f"model.{name}": chance.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}


def config_of(weights: Mapping[str, NDArray[np.float32]], **changes: object) -> bytes:
    """Hugging Face's config.json."""
    heads = weights["model.encoder.conv1.weight"].shape[0] // 64
    facts = {"model_type": "whisper", "encoder_attention_heads": heads, "decoder_attention_heads": heads}
    return json.dumps(facts | changes).encode()


def safetensors(weights: Mapping[str, NDArray[np.float32]], type: str = "F32") -> bytes:
    """The weights as a safetensors file, in float32, float16 or bfloat16."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    data = bytearray()
    for name, weight in weights.items():
        raw = _bytes(weight, type)
        header[name] = {
            "dtype": type,
            "shape": list(weight.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + bytes(data)


def put(folder: Path, files: Mapping[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def _bytes(weight: NDArray[np.float32], type: str) -> bytes:
    if type == "BF16":
        return (weight.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    return weight.astype({"F32": np.float32, "F16": np.float16}[type]).tobytes()
