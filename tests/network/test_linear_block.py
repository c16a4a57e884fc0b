"""The block's three equal forms, and their gradients."""

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from sesr.network.linear_block import LinearBlock
from sesr.network.variants import Form

SHAPES = [(1, 16, 5, False), (16, 16, 3, True), (16, 16, 3, False), (16, 4, 5, False), (3, 2, 1, False)]


def make(c_in: int, c_out: int, k: int, *, residual: bool) -> LinearBlock:
    torch.manual_seed(c_in + c_out)
    block = LinearBlock(c_in, c_out, k, 32, residual=residual).double()
    torch.nn.init.normal_(block.bias)
    return block


@pytest.mark.parametrize(("c_in", "c_out", "k", "residual"), SHAPES)
@pytest.mark.parametrize("size", [(1, 1), (2, 7), (9, 8)])
def test_expanded_equals_collapsed_at_every_pixel(
    c_in: int, c_out: int, k: int, residual: bool, size: tuple[int, int]
) -> None:
    block = make(c_in, c_out, k, residual=residual)
    features = torch.randn(2, c_in, *size, dtype=torch.float64)
    collapsed = block(features)
    block.form = "expanded"
    torch.testing.assert_close(block(features), collapsed, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("c_in", "c_out", "k", "residual"), SHAPES)
def test_sum_equals_delta_route(c_in: int, c_out: int, k: int, residual: bool) -> None:
    block = make(c_in, c_out, k, residual=residual)
    torch.testing.assert_close(block.kernel_by_delta(), block.kernel(), rtol=0, atol=1e-10)


def test_kernel_is_the_sum_over_the_expansion() -> None:
    block = make(2, 2, 3, residual=True)
    kernel = block.kernel().detach()
    for o in range(2):
        for i in range(2):
            expected = sum(float(block.project[o, p].detach() * block.expand[p, i, 0, 2].detach()) for p in range(32))
            assert float(kernel[o, i, 0, 2]) == pytest.approx(expected)
    center = (block.project @ block.expand.flatten(1)).detach().view(2, 2, 3, 3)[:, :, 1, 1]
    torch.testing.assert_close(kernel[:, :, 1, 1], center + torch.eye(2, dtype=torch.float64))


def gradients(block: LinearBlock, features: Tensor, weight: Tensor) -> list[Tensor]:
    block.zero_grad()
    (block(features) * weight).sum().backward()
    return [parameter.grad.clone() for parameter in block.parameters() if parameter.grad is not None]


@pytest.mark.parametrize(("c_in", "c_out", "k", "residual"), SHAPES)
def test_gradients_reach_both_weights_equally_in_all_forms(c_in: int, c_out: int, k: int, residual: bool) -> None:
    block = make(c_in, c_out, k, residual=residual)
    features = torch.randn(2, c_in, 6, 5, dtype=torch.float64)
    weight = torch.randn(2, c_out, 6, 5, dtype=torch.float64)
    collapsed = gradients(block, features, weight)
    assert len(collapsed) == 3
    assert all(gradient.abs().max() > 0 for gradient in collapsed)
    others: tuple[Form, ...] = ("delta", "expanded")
    for form in others:
        block.form = form
        for one, other in zip(collapsed, gradients(block, features, weight), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_delta_form_runs_the_delta_route(monkeypatch: pytest.MonkeyPatch) -> None:
    block = LinearBlock(2, 2, 3, 8, residual=True, form="delta")
    monkeypatch.setattr(block, "kernel", lambda: pytest.fail("collapsed by the sum"))
    assert block(torch.randn(1, 2, 4, 4)).shape == (1, 2, 4, 4)


@pytest.mark.parametrize("route", ["kernel", "kernel_by_delta"])
def test_kernels_follow_the_block_to_its_device_and_type(route: str) -> None:
    block = LinearBlock(2, 2, 3, 8, residual=True).to("meta", torch.float64)
    kernel: Tensor = getattr(block, route)()
    assert (kernel.device.type, kernel.dtype) == ("meta", torch.float64)


def test_residual_needs_equal_channels() -> None:
    with pytest.raises(ValueError, match="as many inputs as outputs"):
        LinearBlock(1, 16, 3, 8, residual=True)
