"""Plausible wrong answers to the exercises of chapter 01; each must be rejected."""

ANSWERS = {
    "cross_entropy": {
        "wrong": {
            "overflows": """
def stable_cross_entropy(Z, y):
    p = Z.exp() / Z.exp().sum(1, keepdim=True)
    return -p[torch.arange(len(y)), y].log().mean()
""",
            "sum instead of mean": """
def stable_cross_entropy(Z, y):
    Z = Z - Z.amax(1, keepdim=True)
    return (Z.exp().sum(1).log() - Z[torch.arange(len(y)), y]).sum()
""",
            "one maximum for the whole batch": """
def stable_cross_entropy(Z, y):
    Z = Z - Z.max()
    return (Z.exp().sum(1).log() - Z[torch.arange(len(y)), y]).mean()
""",
            "stable softmax, then the logarithm of zero": """
def stable_cross_entropy(Z, y):
    e = (Z - Z.amax(1, keepdim=True)).exp()
    p = e / e.sum(1, keepdim=True)
    return -p[torch.arange(len(y)), y].log().mean()
""",
            "a small number added": """
def stable_cross_entropy(Z, y):
    e = (Z - Z.amax(1, keepdim=True)).exp()
    p = e / e.sum(1, keepdim=True)
    p = p[torch.arange(len(y)), y]
    return -torch.where(p < 1e-12, torch.full_like(p, 1e-12), p).log().mean()
""",
            "scores clamped": """
def stable_cross_entropy(Z, y):
    Z = Z.clamp(-50, 50)
    return (Z.exp().sum(1).log() - Z[torch.arange(len(y)), y]).mean()
""",
            "the wrong axis": """
def stable_cross_entropy(Z, y):
    Z = Z - Z.amax(0, keepdim=True)
    return (Z.exp().sum(0).log()[y] - Z[torch.arange(len(y)), y]).mean()
""",
            "the wrong sign": """
def stable_cross_entropy(Z, y):
    Z = Z - Z.amax(1, keepdim=True)
    return (Z[torch.arange(len(y)), y] - Z.exp().sum(1).log()).mean()
""",
            "in bits": """
def stable_cross_entropy(Z, y):
    Z = Z - Z.amax(1, keepdim=True)
    losses = Z.exp().sum(1).log() - Z[torch.arange(len(y)), y]
    return losses.mean() / 0.693147180559945
""",
            "the library's function": """
def stable_cross_entropy(Z, y):
    return F.cross_entropy(Z, y)
""",
            "a small number inside the logarithm": """
def stable_cross_entropy(Z, y):
    e = (Z - Z.amax(1, keepdim=True)).exp()
    p = e / e.sum(1, keepdim=True)
    return -(p[torch.arange(len(y)), y] + 1e-9).log().mean()
""",
            "largest score not taken from the label's": """
def stable_cross_entropy(Z, y):
    sums = (Z - Z.amax(1, keepdim=True)).exp().sum(1)
    return (sums.log() - Z[torch.arange(len(y)), y]).mean()
""",
            "largest score of a column": """
def stable_cross_entropy(Z, y):
    Z = Z - Z.amax(0)
    return (Z.exp().sum(1).log() - Z[torch.arange(len(y)), y]).mean()
""",
            "a number without a record": """
def stable_cross_entropy(Z, y):
    Z = Z - Z.amax(1, keepdim=True)
    return (Z.exp().sum(1).log() - Z[torch.arange(len(y)), y]).mean().item()
""",
            "one loss per image": """
def stable_cross_entropy(Z, y):
    Z = Z - Z.amax(1, keepdim=True)
    return Z.exp().sum(1).log() - Z[torch.arange(len(y)), y]
""",
        }
    },
    "repaired_step": {
        "wrong": {
            "gradients not cleared": """
def repaired_step(model, optimizer, images, labels):
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()
""",
            "step before backward": """
def repaired_step(model, optimizer, images, labels):
    loss = F.cross_entropy(model(images), labels)
    optimizer.step()
    optimizer.zero_grad()
    loss.backward()
    return loss.item()
""",
            "cleared, and step before backward": """
def repaired_step(model, optimizer, images, labels):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(images), labels)
    optimizer.step()
    loss.backward()
    return loss.item()
""",
            "softmax twice": """
def repaired_step(model, optimizer, images, labels):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(images).softmax(1), labels)
    loss.backward()
    optimizer.step()
    return loss.item()
""",
            "loss returned with its graph": """
def repaired_step(model, optimizer, images, labels):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    return loss
""",
            "the loss after the step": """
def repaired_step(model, optimizer, images, labels):
    optimizer.zero_grad()
    F.cross_entropy(model(images), labels).backward()
    optimizer.step()
    with torch.no_grad():
        return F.cross_entropy(model(images), labels).item()
""",
            "evaluation mode": """
def repaired_step(model, optimizer, images, labels):
    model.eval()
    optimizer.zero_grad()
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()
""",
            "softmax twice and not cleared": """
def repaired_step(model, optimizer, images, labels):
    loss = F.cross_entropy(model(images).softmax(1), labels)
    loss.backward()
    optimizer.step()
    return loss.item()
""",
        }
    },
    "accuracy": {
        "wrong": {
            "mean of batch means": """
@torch.no_grad()
def accuracy(model, batches):
    was_training = model.training
    model.eval()
    means = [(model(x).argmax(1) == y).float().mean() for x, y in batches]
    model.train(was_training)
    return sum(means) / len(means)
""",
            "training mode": """
@torch.no_grad()
def accuracy(model, batches):
    right = seen = 0
    for x, y in batches:
        right += (model(x).argmax(1) == y).sum().item()
        seen += len(y)
    return right / seen
""",
            "with a graph": """
def accuracy(model, batches):
    was_training = model.training
    model.eval()
    right = seen = 0
    for x, y in batches:
        right += (model(x).argmax(1) == y).sum().item()
        seen += len(y)
    model.train(was_training)
    return right / seen
""",
            "mode not put back": """
@torch.no_grad()
def accuracy(model, batches):
    model.eval()
    right = seen = 0
    for x, y in batches:
        right += (model(x).argmax(1) == y).sum().item()
        seen += len(y)
    return right / seen
""",
            "always training afterwards": """
@torch.no_grad()
def accuracy(model, batches):
    model.eval()
    right = seen = 0
    for x, y in batches:
        right += (model(x).argmax(1) == y).sum().item()
        seen += len(y)
    model.train()
    return right / seen
""",
            "autograd switched off for good": """
def accuracy(model, batches):
    torch.set_grad_enabled(False)
    was_training = model.training
    model.eval()
    right = seen = 0
    for x, y in batches:
        right += (model(x).argmax(1) == y).sum().item()
        seen += len(y)
    model.train(was_training)
    return right / seen
""",
            "a count": """
@torch.no_grad()
def accuracy(model, batches):
    was_training = model.training
    model.eval()
    right = sum((model(x).argmax(1) == y).sum().item() for x, y in batches)
    model.train(was_training)
    return right
""",
            "the first batch's size for all": """
@torch.no_grad()
def accuracy(model, batches):
    was_training = model.training
    model.eval()
    right = sum((model(x).argmax(1) == y).sum().item() for x, y in batches)
    model.train(was_training)
    return right / (len(batches) * len(batches[0][1]))
""",
        }
    },
}
