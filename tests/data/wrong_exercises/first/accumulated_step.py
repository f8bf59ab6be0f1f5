"""Every micro-batch counts the same."""


def accumulated_step(model, loss_function, optimizer, micro_batches):
    optimizer.zero_grad()
    total = 0
    for inputs, targets in micro_batches:
        loss = loss_function(model(inputs), targets) / len(micro_batches)
        loss.backward()
        total += loss.detach()
    optimizer.step()
    return total
