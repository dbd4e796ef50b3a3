"""Whether OpenVINO is at its best on this CPU."""

from __future__ import annotations

import logging
import time

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as op

from transcription.engine.openvino_backend.compiled import GROUP
from transcription.engine.openvino_backend.graph import Node, quantised

log = logging.getLogger(__name__)

CLEARLY = 1.3
"""How many times faster int8 must be than float32."""

WIDTH, ROWS, ROUNDS = 1024, 512, 5

TOLERANCE = 0.05
"""How far a product in int8 may be off, of its norm."""

PRECISIONS = {"bf16": "bfloat16", "f16": "float16", "f32": "float32"}


def is_suited() -> bool:
    """Returns whether this CPU multiplies in int8 rightly, and in clearly less CPU time than in float32.

    That takes some tenths of a second.
    """
    random = np.random.default_rng(0)
    x, weights = (random.normal(size=(rows, WIDTH)).astype(np.float32) for rows in (ROWS, WIDTH))
    expected = x @ weights.T
    try:
        quick, product = _timed(quantised(weights), {"DYNAMIC_QUANTIZATION_GROUP_SIZE": GROUP}, x)
        slow, _ = _timed(op.constant(weights), {"INFERENCE_PRECISION_HINT": "f32"}, x)
    except RuntimeError as error:
        log.info("OpenVINO cannot multiply in int8 on this CPU: %s", error)
        return False
    # Some CPUs, which lack an instruction, get nothing at all.
    is_whole = product.shape == expected.shape
    right = is_whole and bool(np.linalg.norm(product - expected) < TOLERANCE * np.linalg.norm(expected))
    log.info("OpenVINO takes %.1f ms in int8, %.1f in float32; right: %s", quick * 1e3, slow * 1e3, right)
    return right and quick * CLEARLY < slow


def element_type() -> openvino.Type:
    """Returns the type in which this CPU calculates best: bfloat16, float16 or float32."""
    model = _compiled(op.constant(np.zeros((1, 1), np.float32)), {})
    return model.get_property("INFERENCE_PRECISION_HINT")


def _compiled(weights: Node, options: dict[str, object]) -> openvino.CompiledModel:
    x = op.parameter([-1, weights.output(0).get_partial_shape()[1].get_length()], np.float32)
    product = openvino.Model([op.result(op.matmul(x, weights, False, True))], [x], "product")
    return openvino.Core().compile_model(product, "CPU", {"INFERENCE_NUM_THREADS": 1, **options})


def _timed(weights: Node, options: dict[str, object], x: NDArray[np.float32]) -> tuple[float, NDArray[np.float32]]:
    """Returns the least CPU time of a product, which a busy machine hardly changes, and the product."""
    request, times = _compiled(weights, options).create_infer_request(), []
    for _ in range(ROUNDS):
        began = time.process_time()
        request.infer([x])
        times.append(time.process_time() - began)
    return min(times), request.get_output_tensor().data.copy()
