"""The inverse of a curvature, in one of two forms.

The curvature A is the mean of g g^T over crops, with g a crop's gradient (`sesr.training.optimizers.curvature`). A step
needs the solution x of ``(S A S + damping) x = right``, where the scales S make the diagonal of S A S one. There are P
weights and n crops.

- **By weights** (`MatrixInverse`): the matrix of P x P, in place of which its triangular factor is kept.
- **By crops** (`GradientsInverse`): the gradients themselves, n x P, and the factor of the n x n matrix of their
  products. With R the scaled gradients divided by the root of n, S A S is R^T R, and by Woodbury's identity ::

      x = (right - R^T (R R^T + damping)^-1 R right) / damping

  This is the same solution. It suits networks of far more weights than crops. For SESR-XL x2, of 106,000 weights, and
  16,384 crops 4.5 GB are kept, with a matrix 45. The gradients are kept in bfloat16. That changes the curvature a
  little, but all products read the same rounded numbers, so the identity holds for them. What is left is float32's
  rounding where the difference in brackets is small: it is `damping` divided by the curvature's largest eigenvalue.
  Damping too low for that is refused.
"""

from typing import Any

import torch
from torch import Tensor

from sesr.errors import TrainingError

BLOCK = 1024
"""Rows and columns of a block of a matrix."""

_AT_ONCE, _AT_ONCE_ON_GPU = 2**20, 2**23
"""Gradients' entries that are turned into floats at once, few enough for a cache."""

_LEAST_DAMPING = 1e-7
"""Smallest damping, relative to a bound of the largest eigenvalue, of which float32 leaves something."""

_NOT_INVERTED = "the curvature cannot be inverted; raise damping, or start from a trained network"

_LEAST_DIAGONAL = 1e-3
"""Fraction of the diagonal's median that is added to it, so that weights without any effect stay unchanged."""


class MatrixInverse:
    """The inverse by weights.

    Args:
        matrix: the curvature, the lower triangle of (P, P). Its memory is reused.
        damping: what is added to the scaled matrix's diagonal.

    Attributes:
        tensors: factor (P, P), as `factorize` leaves it, and the weights' scales (P,).

    Raises `TrainingError` if it cannot be inverted.
    """

    def __init__(self, matrix: Tensor, damping: float) -> None:
        scale = _scale(matrix.diagonal().clone())
        matrix.mul_(scale[:, None]).mul_(scale)
        matrix.diagonal().add_(damping)
        factorize(matrix)
        self.tensors = [matrix, scale]

    def __call__(self, right: Tensor) -> Tensor:
        """Multiply S, the inverse and S again by a vector (P,)."""
        factor, scale = self.tensors
        return solve(factor, right * scale).mul_(scale)


class GradientsInverse:
    """The inverse by crops.

    Args:
        gradients: one of each crop, (n, P), bfloat16.
        damping: as in `MatrixInverse`.

    Attributes:
        tensors: the gradients, factor (n, n), and the weights' scales (P,).
        damping: the same.

    Raises `TrainingError` if it cannot be inverted.
    """

    def __init__(self, gradients: Tensor, damping: float) -> None:
        self.damping = damping
        squares = torch.zeros(gradients.shape[1], device=gradients.device)
        for rows in torch.split(gradients, BLOCK):
            squares.add_(rows.float().square().sum(0))
        scale = _scale(squares / len(gradients))
        products = _products(gradients, scale / len(gradients) ** 0.5)
        largest = sum(torch.linalg.vector_norm(products, 1, dim=axis) for axis in (0, 1)).max()
        if not damping > _LEAST_DAMPING * largest:
            raise TrainingError(_NOT_INVERTED)
        products.diagonal().add_(damping)
        factorize(products)
        self.tensors = [gradients, products, scale]

    def __call__(self, right: Tensor) -> Tensor:
        """Multiply S, the inverse and S again by a vector (P,)."""
        gradients, factor, scale = self.tensors
        rows: Tensor = scale / len(gradients) ** 0.5
        scaled: Tensor = right * scale
        inner = solve(factor, _times(gradients, scaled * rows))
        back = _transposed_times(gradients, inner).mul_(rows)
        return scaled.sub_(back).mul_(scale).div_(self.damping)


Inverse = MatrixInverse | GradientsInverse


def _scale(diagonal: Tensor) -> Tensor:
    return (diagonal + _LEAST_DIAGONAL * diagonal.median()).rsqrt()


def _products(gradients: Tensor, scale: Tensor) -> Tensor:
    """Return the products of all pairs of scaled gradients, the lower triangle of (n, n)."""
    products = torch.zeros(len(gradients), len(gradients), device=gradients.device)
    blocks = torch.split(gradients, BLOCK)
    for row, below in enumerate(blocks):
        rows = below.float().mul_(scale)
        for column, left in enumerate(blocks[: row + 1]):
            corner = products[row * BLOCK :, column * BLOCK :][: len(below), : len(left)]
            torch.mm(rows, (left.float().mul_(scale) if column < row else rows).T, out=corner)
    return products


def _times(gradients: Tensor, vector: Tensor) -> Tensor:
    """Return the gradients' products with a vector (P,), as (n,)."""
    return torch.cat([rows.float() @ vector for rows in _few_rows(gradients)])


def _transposed_times(gradients: Tensor, vector: Tensor) -> Tensor:
    """Return the sum of the gradients, each times its entry of a vector (n,), as (P,)."""
    total = torch.zeros(gradients.shape[1], device=gradients.device)
    start = 0
    for rows in _few_rows(gradients):
        total.addmv_(rows.float().T, vector[start : start + len(rows)])
        start += len(rows)
    return total


def _few_rows(gradients: Tensor) -> tuple[Tensor, ...]:
    at_once = _AT_ONCE_ON_GPU if gradients.is_cuda else _AT_ONCE
    return torch.split(gradients, max(1, at_once // gradients.shape[1]))


def factorize(matrix: Tensor) -> None:
    """Replace a positive definite matrix, the lower triangle of (P, P), by the factor that `solve` takes.

    That is Cholesky's factor L with each block on its diagonal replaced by the block's inverse, so that solving is
    multiplying only. Raises `TrainingError` if the matrix is not positive definite.
    """
    upper = matrix.mT  # LAPACK's order of memory, given as the result too: no second matrix is made
    failed = torch.empty((), dtype=torch.int32, device=matrix.device)
    torch.linalg.cholesky_ex(upper, upper=True, out=(upper, failed))
    if failed or not matrix.diagonal().isfinite().all():
        raise TrainingError(_NOT_INVERTED)
    kind: dict[str, Any] = {"dtype": matrix.dtype, "device": matrix.device}
    for start in range(0, len(matrix), BLOCK):
        corner = matrix[start : start + BLOCK, start : start + BLOCK]
        corner.copy_(torch.linalg.solve_triangular(corner, torch.eye(len(corner), **kind), upper=False))


def solve(factor: Tensor, right: Tensor) -> Tensor:
    """Solve L L^T x = right for x, both (P,), with L as `factorize` leaves it: forward through L, then backward.

    Both passes read L in blocks of whole rows, in the order of memory, which decides the speed on a CPU.
    """
    x = right.clone()
    starts = range(0, len(x), BLOCK)
    for start in starts:
        rows, part = factor[start : start + BLOCK], x[start : start + BLOCK]
        part.addmv_(rows[:, :start], x[:start], alpha=-1)
        part.copy_(rows[:, start : start + BLOCK] @ part)
    for start in reversed(starts):
        rows, part = factor[start : start + BLOCK], x[start : start + BLOCK]
        part.copy_(rows[:, start : start + BLOCK].mT @ part)
        x[:start].addmv_(rows[:, :start].mT, part, alpha=-1)
    return x
