"""Weights an empty micro-batch with 0, but 0 times NaN is NaN; holds all graphs till the end."""


def accumulated_step(model, loss_function, optimizer, micro_batches):
    examples = sum(len(inputs) for inputs, _ in micro_batches)
    total = 0
    for inputs, targets in micro_batches:
        total = total + loss_function(model(inputs), targets) * len(inputs) / examples
    optimizer.zero_grad()
    total.backward()
    optimizer.step()
    return total.detach()
