"""Golden file of the schedulers: what diffusers does with a made-up model, for every scheduler and many configs.

Run: python tools/golden/schedulers.py            (writes remote-agent/test/golden/diffusion/schedulers.json)
The model is x / (1 + |x|) + t / 5000, the noise comes from a table in the file: nothing has to be drawn twice.
"""

import json
import random
from pathlib import Path

import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
)

OUT = Path(__file__).parents[2] / "remote-agent/test/golden/diffusion/schedulers.json"
LENGTH = 6

SDXL = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "clip_sample": False,
    "prediction_type": "epsilon",
}
CONFIGS = {
    "sdxl": SDXL,
    "v-prediction": {**SDXL, "prediction_type": "v_prediction"},
    "trailing": {**SDXL, "timestep_spacing": "trailing", "steps_offset": 0, "set_alpha_to_one": True},
    "linspace": {**SDXL, "timestep_spacing": "linspace", "steps_offset": 0, "beta_schedule": "linear"},
    "cosine": {**SDXL, "beta_schedule": "squaredcos_cap_v2", "steps_offset": 0},
    "zero-snr": {
        **SDXL,
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
    },
    "clipped": {**SDXL, "clip_sample": True},
    "no-spacing": {k: v for k, v in SDXL.items() if k != "timestep_spacing"},
    "short": {**SDXL, "num_train_timesteps": 200},
}
SCHEDULERS = {
    "ddim": (DDIMScheduler, {}, {}),
    "ddim-eta": (DDIMScheduler, {}, {"eta": 0.7}),
    "euler": (EulerDiscreteScheduler, {}, {}),
    "euler-ancestral": (EulerAncestralDiscreteScheduler, {}, {}),
    "dpmpp-2m": (DPMSolverMultistepScheduler, {}, {}),
    "dpmpp-2m-karras": (DPMSolverMultistepScheduler, {"use_karras_sigmas": True}, {}),
}


def table(rows: int) -> list[list[float]]:
    generator = random.Random(7)
    return [[round(generator.gauss(0, 1), 4) for _ in range(LENGTH)] for _ in range(rows)]


def run(cls, extra, arguments, config, steps, noise):
    import sys

    scheduler = cls.from_config({**config, **extra})
    scheduler.set_timesteps(steps)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)  # doubled timesteps would make it guess the wrong start
    drawn = iter(noise[1:])
    module = sys.modules[cls.__module__]
    module.randn_tensor = lambda shape, **_: torch.tensor(next(drawn)).reshape(shape)
    sample = torch.tensor(noise[0]) * scheduler.init_noise_sigma
    states = []
    for t in scheduler.timesteps:
        scaled = scheduler.scale_model_input(sample, t)
        output = scaled / (1 + scaled.abs()) + float(t) / 5000
        sample = scheduler.step(output, t, sample, **arguments).prev_sample
        states.append(sample.tolist())
    return {
        "timesteps": [float(t) for t in scheduler.timesteps],
        "initialSigma": float(scheduler.init_noise_sigma),
        "states": [states[0], states[len(states) // 2], states[-1]],
    }


def main():
    noise = table(64)
    cases = []
    for config_name, config in CONFIGS.items():
        for name, (cls, extra, arguments) in SCHEDULERS.items():
            if (config_name, name) == ("cosine", "dpmpp-2m-karras"):
                continue  # diffusers cuts off 998.9999... here: the last bit of a power decides
            for steps in (1, 7, 30) if config_name in ("sdxl", "v-prediction") else (16,):
                cases.append(
                    {
                        "config": config_name,
                        "scheduler": name,
                        "steps": steps,
                        **run(cls, extra, arguments, config, steps, noise),
                    }
                )
    levels = {name: DDIMScheduler.from_config(c).alphas_cumprod.tolist()[::37] for name, c in CONFIGS.items()}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"configs": CONFIGS, "noise": noise, "alphasCumprod": levels, "cases": cases})
    OUT.write_text(text + "\n")
    print(f"{OUT}: {len(cases)} cases, {len(text)} bytes")


if __name__ == "__main__":
    main()
