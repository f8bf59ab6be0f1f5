"""Moves the schedule after skipped steps, too, and says that every step was taken."""

from torch.nn.utils import clip_grad_norm_


def unscale_clip_step(loss, model, optimizer, scaler, schedule, max_grad_norm):
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    grad_norm = clip_grad_norm_(model.parameters(), max_grad_norm)
    scaler.step(optimizer)
    scaler.update()
    schedule.step()
    optimizer.zero_grad()
    return grad_norm, True
