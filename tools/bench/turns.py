"""What PyTorch's sides of measurements share: memory of the process, and the lines through which they take turns.

A side says {"ready": true, "library": versions, "threads": ..., "emptyBytes": resident with the libraries alone,
"loadedBytes": resident with the model}; answers a number N on standard input with {"times": milliseconds of N runs}, and
the end of the input with {"peakBytes": ..., "devicePeakBytes": what the driver tells of the process, "allocatedBytes":
the most that PyTorch had in use on the GPU, "reservedBytes": the most that it had taken from the driver}.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch


def memory(field: str) -> int:
    """VmHWM (peak) or VmRSS (now) of this process in bytes; 0 where /proc is missing."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    line = next(x for x in status.read_text().splitlines() if x.startswith(field + ":"))
    return int(line.split()[1]) * 1024


def on_gpu() -> int:
    """Memory of the GPU that this process holds, in bytes; 0 where the driver's tool does not tell."""
    fields = ["--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(["nvidia-smi", *fields], capture_output=True, text=True, check=False).stdout
    except OSError:
        return 0
    own = [line.split(", ")[1] for line in said.splitlines() if line.startswith(f"{os.getpid()},")]
    return int(own[0]) * 2**20 if own and own[0].isdigit() else 0


def say(**what) -> None:
    print(json.dumps(what), flush=True)


def serve(run, device: torch.device, library: str, empty: int) -> None:
    """Runs as often as it is asked to, until the input ends."""
    say(ready=True, library=library, threads=torch.get_num_threads(), emptyBytes=empty, loadedBytes=memory("VmRSS"))
    cuda = device.type == "cuda"
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            begin = time.perf_counter()
            run()
            if cuda:
                torch.cuda.synchronize()
            times.append(1000 * (time.perf_counter() - begin))
        say(times=times)
    most = {"allocatedBytes": torch.cuda.max_memory_allocated(), "reservedBytes": torch.cuda.max_memory_reserved()} if cuda else {}
    say(peakBytes=memory("VmHWM"), devicePeakBytes=on_gpu() if cuda else 0, **most)
