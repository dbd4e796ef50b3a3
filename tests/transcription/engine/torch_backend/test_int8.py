"""Attention over 8-bit keys and values: the kernel gives what torch does, and compiles for the GPUs that there are."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tests.transcription.engine.torch_backend.interpreted_kernel import SHAPES, TRIAL, arguments
from transcription.engine.torch_backend.int8 import attend, attend_eagerly, kernel_works, quantised, restored

pytestmark = pytest.mark.torch

COMPUTE_CAPABILITIES = {80: "A100", 90: "H100", 100: "B200"}
POINTERS = {"out": "*fp16", "query": "*fp16", "mask": "*fp16", "keys": "*i8", "values": "*i8"}


@pytest.fixture(scope="module")
def differences(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Returns how far the kernel is from torch in Triton's interpreter, by shape, and whether the trial passes."""
    pytest.importorskip("triton", reason="openai-whisper brings Triton on Linux with x86-64 only")
    command = [sys.executable, "-m", "tests.transcription.engine.torch_backend.interpreted_kernel"]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    return {name: float(value) for name, value in (line.split(": ") for line in output.splitlines())}


@pytest.mark.parametrize("name", SHAPES)
def test_the_kernel_is_torchs_attention(name: str, differences: dict[str, float]) -> None:
    half = SHAPES[name][-1] == torch.float16
    assert differences[name] < (1e-3 if half else 1e-5)


def test_the_trial_at_the_start_passes(differences: dict[str, float]) -> None:
    assert differences[TRIAL] == 1


@pytest.mark.parametrize("capability", COMPUTE_CAPABILITIES, ids=COMPUTE_CAPABILITIES.values())
def test_the_kernel_compiles_for(capability: int, tmp_path: Path) -> None:
    """Down to the machine's code, by the compiler that comes with Triton."""
    triton: Any = pytest.importorskip("triton", reason="openai-whisper brings Triton on Linux with x86-64 only")
    from triton.backends.compiler import GPUTarget  # type: ignore[import-untyped]
    from triton.compiler import ASTSource  # type: ignore[import-untyped]

    from transcription.engine.torch_backend.int8_kernel import BLOCK, _attend

    constants = {"MASKED": True, "WIDTH": 64, "BLOCK": BLOCK}
    names: list[str] = _attend.arg_names
    types = {
        name: "constexpr"
        if name in constants
        else POINTERS.get(name, "*fp16" if name.endswith("scales") else "fp32" if name == "factor" else "i32")
        for name in names
    }
    # As in every call of ours: heads begin at whole lines of keys.
    round_ones = {name for name in names if types[name].startswith("*")} | {"row", "head"}
    aligned = {(names.index(name),): [["tt.divisibility", 16]] for name in round_ones}
    source = ASTSource(_attend, types, {(names.index(name),): value for name, value in constants.items()}, aligned)
    with warnings.catch_warnings(action="ignore"), triton.knobs.cache.scope():
        triton.knobs.cache.dir = str(tmp_path)
        compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": 4})
    assert compiled.asm["cubin"]
    # Keys and values are read in sixteen bytes at a time.
    assert compiled.asm["ptx"].count("ld.global.v4") >= 8


@pytest.mark.parametrize("name", SHAPES)
def test_8_bits_are_near_the_numbers_themselves(name: str) -> None:
    query, keys, key_scales, values, value_scales, mask = arguments(name)
    full = restored(keys, key_scales, query.dtype), restored(values, value_scales, query.dtype)
    found = attend(query, keys, key_scales, values, value_scales, mask)
    assert torch.allclose(found, F.scaled_dot_product_attention(query, *full, mask), rtol=1e-2, atol=1e-2)


def test_a_number_is_kept_to_half_a_step() -> None:
    x = torch.randn(2, 3, 64, generator=torch.Generator().manual_seed(1)) * 5
    x[0, 0] = 0
    numbers, scales = quantised(x)
    steps = scales.float()[..., None]
    assert bool(((restored(numbers, scales, torch.float32) - x).abs() <= 0.51 * steps).all())
    assert numbers.dtype == torch.int8
    assert bool((numbers.amax(dim=-1) <= 127).all())


def test_what_is_no_number_spoils_its_own_row_alone() -> None:
    query, keys, key_scales, values, value_scales, mask = arguments("some of the positions, in half precision")
    before = attend_eagerly(query, keys, key_scales, values, value_scales, mask)
    broken = key_scales.clone()
    broken[1, :, 5] = torch.nan
    after = attend(query, keys, broken, values, value_scales, mask)
    assert bool(after[1].isnan().all())
    assert torch.equal(after[[0, 2]], before[[0, 2]])


@pytest.mark.skipif(torch.backends.cuda.is_built(), reason="torch looks for a GPU")
def test_where_torch_has_no_gpus_the_kernel_does_not_work(caplog: pytest.LogCaptureFixture) -> None:
    kernel_works.cache_clear()
    assert not kernel_works()
    assert "8-bit keys and values are not used" in caplog.text
