"""A small Whisper with the real vocabulary and random weights: its steps take milliseconds, its texts vary and end."""

from __future__ import annotations

import torch
from torch import nn
from whisper.model import ModelDimensions, Whisper

from transcription.engine.torch_backend.vocabulary import vocabulary_of

DIMENSIONS = ModelDimensions(80, 1500, 64, 2, 2, 51_865, 448, 64, 2, 2)


def untrained_whisper() -> Whisper:
    """Returns the same model each time, in float32 on the CPU.

    The weights are scaled so that greedy texts depend on the encoding, have 5 to 60 tokens, timestamps among them,
    and an average log-probability above -1, the threshold of the temperature fallback.
    """
    generator = torch.random.get_rng_state()
    torch.manual_seed(7)
    model = Whisper(DIMENSIONS).eval()
    nn.init.normal_(model.decoder.token_embedding.weight, std=0.8)
    nn.init.normal_(model.decoder.positional_embedding, std=0.5)
    torch.random.set_rng_state(generator)
    with torch.no_grad():
        model.decoder.token_embedding.weight[vocabulary_of(DIMENSIONS).eot] *= 2.4
        for block in model.decoder.blocks:
            for linear, factor in (("query", 3), ("key", 3), ("value", 6), ("out", 6)):
                getattr(block.cross_attn, linear).weight *= factor
    return model
