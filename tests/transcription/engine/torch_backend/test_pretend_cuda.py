"""What the pretended GPU finds, and that it computes what a CPU does."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from tests.transcription.engine.torch_backend.pretend_cuda import CUDA, PretendCuda, pretended

pytestmark = pytest.mark.torch


@pytest.fixture
def cuda() -> Iterator[PretendCuda]:
    with pytest.MonkeyPatch.context() as patch, pretended(patch) as cuda, torch.inference_mode():
        yield cuda


def test_a_write_on_one_stream_and_a_read_on_another_need_an_event(cuda: PretendCuda) -> None:
    side, x = torch.cuda.Stream(), torch.zeros(3, device=CUDA)
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        x.add_(1)
    assert cuda.faults == []
    y = x + 1
    assert len(cuda.faults) == 1
    assert "aten.add.Tensor on stream 0 uses memory that stream 2 may still use" in cuda.faults[0]
    torch.cuda.current_stream().wait_stream(side)
    assert (y + x).tolist() == [3, 3, 3]
    assert len(cuda.faults) == 1


def test_memory_does_not_go_back_while_another_stream_reads_it(cuda: PretendCuda) -> None:
    side = torch.cuda.Stream()
    for lent in (True, False):
        x = torch.zeros(3, device=CUDA)
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            y = x + 1
            if lent:
                x.record_stream(side)
        del x
        with torch.cuda.stream(side):
            y.add_(1)
        assert len(cuda.faults) == (0 if lent else 1)


def test_the_host_reads_a_copy_when_it_has_arrived(cuda: PretendCuda) -> None:
    x, host, event = torch.ones(3, device=CUDA), torch.zeros(3, pin_memory=True), torch.cuda.Event()
    host.copy_(x, non_blocking=True)
    event.record()
    event.synchronize()
    assert host.numpy().tolist() == [1, 1, 1]
    assert cuda.faults == cuda.waits == []
    host.copy_(x + 1, non_blocking=True)
    host.numpy()
    assert len(cuda.faults) == 1


def test_a_graph_does_again_what_was_captured(cuda: PretendCuda) -> None:
    x, total, graph, side = (
        torch.ones(3, device=CUDA),
        torch.zeros(3, device=CUDA),
        torch.cuda.CUDAGraph(),
        torch.cuda.Stream(),
    )
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.graph(graph, stream=side):
        total.add_((x * 2).clamp_max(5))
    assert total.tolist() == [0, 0, 0]
    graph.replay()
    x.fill_(7)
    graph.replay()
    assert total.tolist() == [7, 7, 7]
    assert cuda.faults == []
    with torch.cuda.graph(torch.cuda.CUDAGraph(), stream=side):
        x.sum().item()
    assert "the host waits for item while a graph is captured" in cuda.faults[0]


def test_devices_do_not_mix(cuda: PretendCuda) -> None:
    x = torch.ones(3, device=CUDA)
    assert (x.device, x.is_cuda, x[1:].device, x.new_zeros(1).device) == (CUDA, True, CUDA, CUDA)
    assert x.cpu().device.type == "cpu"
    with pytest.raises(RuntimeError, match="same device"):
        x + torch.ones(3)


def test_a_capture_after_a_warm_up_on_another_stream_allocates_a_workspace(cuda: PretendCuda) -> None:
    x, own, side = torch.ones(3, 3, device=CUDA), torch.cuda.Stream(), torch.cuda.Stream()
    for stream in (side, own):
        stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        x @ x
    with torch.cuda.graph(torch.cuda.CUDAGraph(), stream=side):
        x @ x
    assert cuda.faults == []
    with torch.cuda.graph(torch.cuda.CUDAGraph(), stream=own):
        x @ x
    assert "a workspace is allocated while a graph is captured" in cuda.faults[0]


def test_work_of_another_thread_beside_a_capture_is_found(cuda: PretendCuda) -> None:
    def add() -> None:
        with cuda.thread(), torch.inference_mode():
            torch.ones(3, device=CUDA).add_(1)

    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        other = threading.Thread(target=add)
        other.start()
        other.join()
    assert {fault.split(" (")[0] for fault in cuda.faults} == {
        "aten.ones.default beside a capture",
        "aten.add_.Tensor beside a capture",
    }
