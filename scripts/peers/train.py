"""Trains an adapter with PyTorch and PEFT, step by step as `examples/peer.rs train` does with this project's engine.

    python train.py MODEL ADAPTER TOKENS f32|bf16 STEPS BATCH LENGTH

MODEL and ADAPTER are folders in the hub's and PEFT's layout, TOKENS a file of u32. Prints one line of JSON for each
step: loss, seconds, processor seconds; then one with the largest memory (VmHWM). In bf16 the base is bfloat16 and the
adapter f32, as PEFT has it.
"""

import json
import os
import sys
import time

import numpy
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

model_folder, adapter_folder, tokens_file, precision = sys.argv[1:5]
steps, batch, length = map(int, sys.argv[5:8])
torch.set_num_threads(len(os.sched_getaffinity(0)))
dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[precision]
model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=dtype)
model = PeftModel.from_pretrained(model, adapter_folder, is_trainable=True)
trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
optimiser = torch.optim.AdamW(trained, lr=2e-4, weight_decay=0.0)
tokens = numpy.fromfile(tokens_file, dtype=numpy.uint32).astype(numpy.int64)
pieces = (len(tokens) - 1) // length

for step in range(steps):
    starts = [(step * batch + place) % pieces * length for place in range(batch)]
    chunk = torch.from_numpy(numpy.stack([tokens[start : start + length + 1] for start in starts]))
    begun, used = time.perf_counter(), time.process_time()
    logits = model(chunk[:, :-1]).logits
    loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), chunk[:, 1:].flatten())
    loss.backward()
    optimiser.step()
    optimiser.zero_grad()
    # Freed where a training loop would: the next forward pass makes its own.
    del logits
    print(
        json.dumps(
            {
                "step": step,
                "loss": loss.item(),
                "seconds": time.perf_counter() - begun,
                "processor": time.process_time() - used,
            }
        ),
        flush=True,
    )

with open("/proc/self/status") as status:
    largest = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
print(json.dumps({"memory_kib": largest}))
