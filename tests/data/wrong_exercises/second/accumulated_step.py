"""Adds the gradients of the means, and never forgets them."""


def accumulated_step(model, loss_function, optimizer, micro_batches):
    total = 0
    for inputs, targets in micro_batches:
        loss = loss_function(model(inputs), targets)
        loss.backward()
        total += loss.item()
    optimizer.step()
    return total / len(micro_batches)
