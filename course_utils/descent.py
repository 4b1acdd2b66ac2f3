"""Gradient descent by hand: down a function, and over images batch by batch.

theta stands for all that is to be found, rate is the learning rate η. The optimizers of
optimizers.py do more with the gradient; these two functions only follow it.

Sources: Cauchy 1847, "Méthode générale pour la résolution des systèmes d'équations
simultanées"; Robbins and Monro 1951, "A Stochastic Approximation Method", for steps
with a noisy gradient; Bottou, Curtis and Nocedal 2018, "Optimization Methods for
Large-Scale Machine Learning", section 3, for batches.
"""

import math

import torch
import torch.nn.functional as F


def descend(gradient, theta, rate, steps):
    """The path of gradient descent from theta [...]: [steps + 1, ...], start included.

    gradient(theta) has the shape of theta. Taught in chapter 03."""
    check_numbers(rate=rate, steps=steps)
    path = [theta]
    for _ in range(steps):
        theta = theta - rate * gradient(theta)
        path.append(theta)
    return torch.stack(path)


def minibatch_descent(model, images, labels, rate, batch_size, epochs=1, seed=0):
    """Trains the model by plain gradient steps; the loss of each batch, in a list.

    images [N, ...], labels [N]. batch_size N is batch gradient descent, 1 is stochastic
    gradient descent, between them lie mini-batches. Each epoch sees all images once, in
    an order made from the seed. Taught in chapter 03."""
    check_numbers(rate=rate, batch_size=batch_size, epochs=epochs)
    parameters, losses = list(model.parameters()), []
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        order = torch.randperm(len(images), generator=generator)
        for chosen in order.split(batch_size):
            loss = F.cross_entropy(model(images[chosen]), labels[chosen])
            gradients = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                for parameter, gradient in zip(parameters, gradients, strict=True):
                    parameter -= rate * gradient
            losses.append(loss.item())
    return losses


def check_numbers(rate, **counts):
    """ValueError unless the rate is a number from 0 and the counts are whole."""
    if not (isinstance(rate, (int, float)) and 0 <= rate < math.inf):
        raise ValueError(f"rate must be a finite number from 0, got {rate!r}; try 0.1")
    for name, count in counts.items():
        least = 1 if name == "batch_size" else 0
        if not isinstance(count, int) or count < least:
            raise ValueError(
                f"{name} must be a whole number from {least}, got {count!r}"
            )
