"""Two single-threaded processes that average their gradients: on two cores faster than two threads in one process."""

import os
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

WORKERS = 2


def _start(rank, function, args, port, workers):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=workers)
    function(rank, args)
    dist.destroy_process_group()


def run(function, args, port=29531, workers=WORKERS):
    """Calls `function(rank, args)` in each worker."""
    mp.spawn(_start, (function, args, port, workers), nprocs=workers)


def average_gradients(parameters):
    """Averages the gradients over the workers in one message."""
    grads = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in grads])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    at = 0
    for g in grads:
        g.copy_(flat[at : at + g.numel()].view_as(g))
        at += g.numel()


def progress(*shares):
    """How far the run is (0 to 1), by the largest share. All workers must agree on it: the first one tells."""
    shared = torch.tensor([max(shares)])
    dist.broadcast(shared, 0)
    return min(1.0, float(shared))


class Average:
    """Exponential moving average of a model's weights."""

    def __init__(self, models, decay):
        self.decay = decay
        self.parameters = [p for m in models for p in m.parameters()]
        self.shadow = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def update(self, step):
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_mul_(self.shadow, decay)
        torch._foreach_add_(self.shadow, [p.detach() for p in self.parameters], alpha=1 - decay)

    @torch.no_grad()
    def swap(self):
        """Exchanges the model's weights with the averaged ones; call again to go back."""
        for p, s in zip(self.parameters, self.shadow):
            kept = p.detach().clone()
            p.copy_(s)
            s.copy_(kept)


class Clock:
    """Prints a line of figures now and then."""

    def __init__(self, total, every):
        self.total, self.every, self.start = total, every, time.time()
        self.first = None

    def tick(self, step, **figures):
        self.first = step if self.first is None else self.first
        if step % self.every == 0:
            rate = (step - self.first + 1) / (time.time() - self.start)
            text = " ".join(f"{k} {v:.5f}" for k, v in figures.items())
            print(f"step {step}/{self.total} {text} {rate:.2f} steps/s left {(self.total - step) / rate / 60:.1f} min", flush=True)
