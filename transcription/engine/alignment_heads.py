"""The heads of the decoder whose attention follows the speech: words are timed by them."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from transcription.engine.dimensions import Dimensions
from transcription.engine.library_errors import damaged
from transcription.engine.model_folder import CONFIG

log = logging.getLogger(__name__)

Heads = list[tuple[int, int]]
"""Pairs of (layer, head)."""


def heads_or_default(named: object, dimensions: Dimensions) -> Heads:
    """Returns the heads that were named, or all of the decoder's later half, as openai-whisper does where none are.

    Distilled models often name those of the model that they were made from, in layers that they don't have: with
    these CTranslate2 ends the process.
    """
    heads = _pairs(named)
    layers, heads_of_a_layer = dimensions.text_layers, dimensions.heads
    if heads and all(0 <= layer < layers and 0 <= head < heads_of_a_layer for layer, head in heads):
        return heads
    return [(layer, head) for layer in range(layers // 2, layers) for head in range(heads_of_a_layer)]


def correct(folder: Path, dimensions: Dimensions) -> None:
    """Writes usable heads into the configuration of a CTranslate2 folder. Raises ValueError where it is none."""
    file = folder / CONFIG
    config = json.loads(file.read_text(encoding="utf-8"))
    named, heads = config.get("alignment_heads"), heads_or_default(config.get("alignment_heads"), dimensions)
    if _pairs(named) != heads:
        log.warning("%s names no heads that its model has: words are timed by the later half of its layers", file)
        file.write_text(json.dumps(config | {"alignment_heads": heads}), encoding="utf-8")


def alignment_heads_in(folder: Path) -> Heads:
    """Returns those that the configuration of a CTranslate2 folder names. Raises EngineError where it is damaged."""
    with damaged(folder / CONFIG):
        heads = _pairs(json.loads((folder / CONFIG).read_text(encoding="utf-8"))["alignment_heads"])
        if not heads:
            raise ValueError("it names no alignment heads")
        return heads


def _pairs(named: object) -> Heads:
    """Returns [] for what are no pairs of numbers."""
    try:
        return [(int(layer), int(head)) for layer, head in named]  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        return []
