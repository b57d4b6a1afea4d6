"""Slow, obvious twins of what `tsae.nn` computes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from torch import Tensor

from tsae.nn.rbm import RBM


def states(n_units: int) -> Tensor:
    """All 0/1 states of `n_units` units, `(2 ** n_units, n_units)`."""
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=n_units)))


def energy(rbm: RBM, visible: Tensor, hidden: Tensor) -> float:
    """Energy of one pair of visible and hidden units, term by term."""
    a, c, weights = (p.tolist() for p in (rbm.visible_bias, rbm.hidden_bias, rbm.weight))
    v, h = visible.tolist(), hidden.tolist()
    total = 0.0
    for i in range(len(v)):
        total += 0.5 * (v[i] - a[i]) ** 2 if rbm.visible == "gaussian" else -a[i] * v[i]
        total -= sum(weights[j][i] * v[i] * h[j] for j in range(len(h)))
    return total - sum(c[j] * h[j] for j in range(len(h)))


def free_energy(rbm: RBM, visible: Tensor) -> float:
    """−log of the sum over all states of Bernoulli hidden units."""
    return -math.log(sum(math.exp(-energy(rbm, visible, h)) for h in states(len(rbm.hidden_bias))))


def log_partition(rbm: RBM) -> float:
    """log Z: Bernoulli visible units summed out, Gaussian ones integrated out for each hidden state."""
    if rbm.visible == "bernoulli":
        return math.log(sum(math.exp(-free_energy(rbm, v)) for v in states(len(rbm.visible_bias))))
    total = 0.0
    for h in states(len(rbm.hidden_bias)):
        push = rbm.weight.detach().T @ h
        exponent = rbm.hidden_bias.detach() @ h + rbm.visible_bias.detach() @ push + 0.5 * push @ push
        total += math.exp(float(exponent))
    return math.log(total) + 0.5 * len(rbm.visible_bias) * math.log(2 * math.pi)


def exact_log_likelihood(rbm: RBM, data: Tensor) -> float:
    """Mean log-likelihood of rows `(n, n_visible)`."""
    return -sum(free_energy(rbm, row) for row in data) / len(data) - log_partition(rbm)


def exact_gradient(rbm: RBM, data: Tensor) -> Tensor:
    """Gradient of the mean log-likelihood by the weights, by central differences: `(n_hidden, n_visible)`."""
    gradient = torch.zeros_like(rbm.weight)
    step = 1e-2
    with torch.no_grad():
        for index in itertools.product(*map(range, rbm.weight.shape)):
            sides = []
            for sign in (1, -1):
                rbm.weight[index] += sign * step
                sides.append(exact_log_likelihood(rbm, data))
                rbm.weight[index] -= sign * step
            gradient[index] = (sides[0] - sides[1]) / (2 * step)
    return gradient


def expected_cd1_gradient(rbm: RBM, data: Tensor) -> Tensor:
    """Weight gradient of CD-1 whose chain ends in a mean, averaged over all hidden states."""
    gradient = torch.zeros_like(rbm.weight)
    for row in data:
        on = rbm.hidden_mean(row)
        gradient += torch.outer(on, row) / len(data)
        for h in states(len(rbm.hidden_bias)):
            chance = torch.where(h == 1, on, 1 - on).prod()
            rebuilt = rbm.visible_mean(h)
            gradient -= chance * torch.outer(rbm.hidden_mean(rebuilt), rebuilt) / len(data)
    return gradient.detach()


def principal_directions(inputs: np.ndarray, n_components: int) -> np.ndarray:
    """Leading right singular vectors of centred, flattened inputs: `(n_components, n_features)`."""
    flat = inputs.reshape(len(inputs), -1).astype(float)
    return np.linalg.svd(flat - flat.mean(0), full_matrices=False)[2][:n_components]


def largest_principal_angle(first: np.ndarray, second: np.ndarray) -> float:
    """Largest angle in radians between the spaces that the rows of two matrices span."""
    q1, q2 = np.linalg.qr(first.T)[0], np.linalg.qr(second.T)[0]
    # The sine is accurate for small angles, where the cosine is flat.
    return float(np.arcsin(min(1.0, np.linalg.norm(q2 - q1 @ (q1.T @ q2), 2))))
