"""Clips the scaled gradient."""

from torch.nn.utils import clip_grad_norm_


def unscale_clip_step(loss, model, optimizer, scaler, schedule, max_grad_norm):
    scaler.scale(loss).backward()
    grad_norm = clip_grad_norm_(model.parameters(), max_grad_norm)
    scale = scaler.get_scale()
    scaler.step(optimizer)
    scaler.update()
    stepped = scaler.get_scale() >= scale
    if stepped:
        schedule.step()
    optimizer.zero_grad()
    return grad_norm, stepped
