"""Trains a LoRA adapter with PyTorch and PEFT over several processes.

    torchrun ... train.py FOLDER

The training program has fetched, checked, tokenised and ordered everything; the folder holds

    plan.json                what to do
    base/                    the base model, in the model hub's layout (or plan["base"] says where)
    adapter/                 the adapter before its first step, in PEFT's layout
    tokens.u32 targets.u8    all pieces one after another: tokens, and whether predicting each counts
    lengths.u32              tokens of each piece; the training pieces first, then the held-out ones
    sequences.u32            pieces of each sequence, as count, pieces, count, pieces, ...
    order.u32                sequences in the order of all steps
    rates.f32                learning rate of each step

and gets `events.jsonl`, one line for each step and measurement, a checkpoint, and the adapter. There is no network,
no token, no tokenizer and no template here. `stop` in the folder ends the work after a step; `checkpoint-now` asks
for a checkpoint; `epoch` holds the number of the last epoch for which the data may be read.
"""

import contextlib
import ctypes
import json
import math
import os
import signal
import sys
import time
from pathlib import Path

# Schedulers send it to every process of a job. The training program hears it too, and asks for a checkpoint and an end by
# `stop`. torchrun passes it on, and waits for half a minute.
signal.signal(signal.SIGTERM, signal.SIG_IGN)

# When torchrun is gone, however it ended, so is this process (Linux: PR_SET_PDEATHSIG).
if sys.platform == "linux":
    parent = os.getppid()
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("torchrun is gone")

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from peft import PeftModel
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM


class Data:
    """Pieces of documents, by their number."""

    def __init__(self, folder, plan):
        self.tokens = np.fromfile(folder / "tokens.u32", dtype="<u4").astype(np.int64)
        self.targets = np.fromfile(folder / "targets.u8", dtype=np.uint8).astype(bool)
        self.lengths = np.fromfile(folder / "lengths.u32", dtype="<u4").astype(np.int64)
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)])
        flat = np.fromfile(folder / "sequences.u32", dtype="<u4").astype(np.int64)
        self.sequences, place = [], 0
        while place < len(flat):
            count = int(flat[place])
            self.sequences.append(flat[place + 1 : place + 1 + count].tolist())
            place += 1 + count
        self.order = np.fromfile(folder / "order.u32", dtype="<u4").astype(np.int64)
        self.held_out = list(range(plan["training_pieces"], len(self.lengths)))

    def count(self, pieces):
        """Targets of the pieces; a first token has nothing before it to be predicted from."""
        return sum(int(self.targets[self.starts[p] + 1 : self.starts[p + 1]].sum()) for p in pieces)

    def rows(self, pieces, device):
        """The pieces as one row: tokens, positions, a mask that ends at their bounds, and what is to be predicted."""
        tokens, positions, segments, labels = [], [], [], []
        for number, piece in enumerate(pieces):
            start, end = self.starts[piece], self.starts[piece + 1]
            tokens.append(self.tokens[start : end - 1])
            positions.append(np.arange(end - 1 - start))
            segments.append(np.full(end - 1 - start, number))
            labels.append(np.where(self.targets[start + 1 : end], self.tokens[start + 1 : end], -100))
        put = lambda parts: torch.from_numpy(np.concatenate(parts)).to(device)
        segments = put(segments)
        sees = (segments[:, None] == segments[None, :]).tril()
        return put(tokens)[None], put(positions)[None], sees[None, None], put(labels)


class Work:
    def __init__(self, folder, plan):
        self.folder, self.plan = folder, plan
        self.rank, self.world = dist.get_rank(), dist.get_world_size()
        is_cuda = torch.cuda.is_available()
        self.device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if is_cuda else torch.device("cpu")
        self.number = torch.bfloat16 if plan["is_half"] else torch.float32
        self.data = Data(folder, plan)
        base = AutoModelForCausalLM.from_pretrained(
            plan["base"], dtype=self.number, attn_implementation="eager", local_files_only=True
        )
        model = PeftModel.from_pretrained(base, folder / "adapter", is_trainable=True).to(self.device)
        model.config.use_cache = False
        self.trained = [name for name, p in model.named_parameters() if p.requires_grad]
        if plan["recompute"]:
            model.enable_input_require_grads()
            base.gradient_checkpointing_enable({"use_reentrant": False})
        self.inner = model
        if plan["strategy"] == "fsdp":
            from torch.distributed.fsdp import fully_shard

            for layer in base.model.layers:
                fully_shard(layer)
            self.model = fully_shard(model)
        else:
            self.model = torch.nn.parallel.DistributedDataParallel(
                model, device_ids=[self.device.index] if is_cuda else None
            )
        self.parameters = [p for p in self.inner.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(
            self.parameters, lr=0.0, betas=(0.9, 0.999), eps=1e-8, weight_decay=plan["weight_decay"]
        )
        self.step = 0
        self.each_epoch = -(-len(self.data.sequences) // plan["batch_size"])
        self.held_out_before = None
        self.events = open(folder / "events.jsonl", "a", buffering=1) if self.rank == 0 else None

    def tell(self, **event):
        if self.events:
            # JSON has no infinity and no NaN.
            event = {key: None if isinstance(it, float) and not math.isfinite(it) else it for key, it in event.items()}
            self.events.write(json.dumps(event, allow_nan=False) + "\n")

    def loss(self, pieces):
        """Summed cross-entropy, and how many of the targets were thought likeliest."""
        tokens, positions, sees, labels = self.data.rows(pieces, self.device)
        least = torch.finfo(self.number).min
        mask = torch.zeros(sees.shape, dtype=self.number, device=self.device).masked_fill(~sees, least)
        logits = self.model(input_ids=tokens, position_ids=positions, attention_mask=mask).logits[0]
        wanted = labels >= 0
        logits, labels = logits[wanted].float(), labels[wanted]
        hits = (logits.detach().argmax(-1) == labels).sum()
        return F.cross_entropy(logits, labels, reduction="sum"), hits

    def total(self, *numbers):
        """Sums over all processes."""
        numbers = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        dist.all_reduce(numbers)
        return numbers.tolist()

    def measure(self):
        if not self.data.held_out:
            return
        self.model.eval()
        own = self.data.held_out[self.rank :: self.world]
        # Every process takes part as often as the others, because shards are gathered together.
        rounds = -(-len(self.data.held_out) // self.world)
        loss = hits = 0.0
        with torch.no_grad():
            for place in range(rounds):
                piece = own[place] if place < len(own) else self.data.held_out[0]
                found, right = self.loss([piece])
                if place < len(own):
                    loss, hits = loss + float(found), hits + float(right)
        self.model.train()
        loss, hits, count = self.total(loss, hits, self.data.count(own))
        if self.step == 0:
            self.held_out_before = loss / count
        self.tell(event="held_out", step=self.step, loss=loss / count, accuracy=hits / count)

    def learn(self):
        """One step."""
        started = time.monotonic()
        # What is dropped out follows from seed, step and process, so that who goes on draws the same.
        torch.manual_seed(((self.plan["seed"] << 20) + self.step) * self.world + self.rank)
        size = self.plan["batch_size"]
        epoch, place = divmod(self.step, self.each_epoch)
        first = epoch * len(self.data.sequences) + place * size
        last = min(first + size, (epoch + 1) * len(self.data.sequences))
        batch = self.data.order[first:last]
        own = [self.data.sequences[s] for s in batch[self.rank :: self.world]]
        pieces = [piece for s in batch for piece in self.data.sequences[s]]
        count = self.data.count(pieces)
        parts = self.plan["accumulate"]
        share = -(-len(own) // parts) if own else 1
        loss = hits = 0.0
        for part in range(parts):
            taken = [p for sequence in own[part * share : (part + 1) * share] for p in sequence]
            # A process without a share goes along with a piece that counts nothing.
            weight = 1.0 if taken else 0.0
            with self.sync(part + 1 == parts):
                found, right = self.loss(taken or [0])
                # Gradients are averaged over processes, and the mean is over the targets of all.
                (found * (weight * self.world / count)).backward()
            loss, hits = loss + weight * float(found.detach()), hits + weight * float(right)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.plan["clip_norm"])
        norm = norm.full_tensor() if hasattr(norm, "full_tensor") else norm
        for group in self.optimiser.param_groups:
            group["lr"] = float(self.rates[self.step])
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.step += 1
        loss, hits = self.total(loss, hits)
        self.tell(
            event="step",
            step=self.step,
            loss=loss / count,
            accuracy=hits / count,
            gradient_norm=float(norm),
            seconds=time.monotonic() - started,
        )

    def sync(self, is_last):
        if self.plan["strategy"] == "fsdp":
            self.model.set_requires_gradient_sync(is_last)
            return contextlib.nullcontext()
        return contextlib.nullcontext() if is_last else self.model.no_sync()

    def wishes(self):
        """What the files in the folder ask for, as the first process sees them; waits for leave to read the epoch."""
        seen = [0.0, 0.0]
        if self.rank == 0:
            seen = self.look()
            while not seen[0] and self.step // self.each_epoch > int((self.folder / "epoch").read_text()):
                time.sleep(0.05)
                seen = self.look()
        seen = torch.tensor(seen, device=self.device)
        dist.broadcast(seen, 0)
        if self.rank == 0 and seen[1]:
            (self.folder / "checkpoint-now").unlink()
        return bool(seen[0]), bool(seen[1])

    def look(self):
        seen = [float((self.folder / name).exists()) for name in ("stop", "checkpoint-now")]
        # Nobody listens any more when the training program is gone.
        seen[0] = max(seen[0], float(not Path(f"/proc/{self.plan['parent']}").exists()))
        return seen

    def whole(self, tensor):
        tensor = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
        return tensor.detach().float().cpu().contiguous()

    def keep(self):
        """Writes the checkpoint; the file holds either the old or the new one."""
        tensors = {}
        for number, parameter in enumerate(self.parameters):
            state = self.optimiser.state[parameter]
            tensors[f"parameters.{number}"] = self.whole(parameter)
            tensors[f"first_moments.{number}"] = self.whole(state["exp_avg"])
            tensors[f"second_moments.{number}"] = self.whole(state["exp_avg_sq"])
        if self.rank == 0:
            position = {
                "recipe": "torchrun",
                "run": self.plan["run"],
                "step": self.step,
                "held_out_before": self.held_out_before,
            }
            path = Path(self.plan["checkpoint"])
            part = path.with_suffix(".part")
            save_file(tensors, part, {"position": json.dumps(position)})
            with open(part, "rb") as file:
                os.fsync(file.fileno())
            os.replace(part, path)
        self.tell(event="kept", step=self.step)

    def take_up(self, path):
        """Goes on from a checkpoint."""
        with safe_open(path, "pt") as file:
            position = json.loads(file.metadata()["position"])
            for number, parameter in enumerate(self.parameters):

                def like(tensor):
                    if hasattr(parameter, "device_mesh"):
                        from torch.distributed.tensor import distribute_tensor

                        return distribute_tensor(
                            tensor.to(self.device), parameter.device_mesh, parameter.placements
                        )
                    return tensor.to(self.device)

                with torch.no_grad():
                    parameter.copy_(like(file.get_tensor(f"parameters.{number}")))
                self.optimiser.state[parameter] = {
                    "step": torch.tensor(float(position["step"])),
                    "exp_avg": like(file.get_tensor(f"first_moments.{number}")),
                    "exp_avg_sq": like(file.get_tensor(f"second_moments.{number}")),
                }
        self.step, self.held_out_before = position["step"], position["held_out_before"]

    def export(self):
        tensors = {
            name.replace(".default.", "."): self.whole(parameter)
            for name, parameter in zip(self.trained, self.parameters)
        }
        if self.rank == 0:
            save_file(tensors, self.folder / "adapter_model.safetensors", {"format": "pt"})

    def go(self):
        self.rates = np.fromfile(self.folder / "rates.f32", dtype="<f4")
        measured = set(self.plan["measure_after"])
        if self.plan["resume"]:
            self.take_up(self.plan["resume"])
        else:
            self.measure()
        total = len(self.rates)
        while self.step < total:
            must_stop, must_keep = self.wishes()
            if must_stop:
                if self.step > 0:
                    self.keep()
                self.tell(event="stopped", step=self.step)
                return
            self.learn()
            if self.step in measured:
                self.measure()
            if must_keep or self.step % self.plan["checkpoint_every_steps"] == 0 or self.step == total:
                self.keep()
        self.measure()
        self.export()
        self.tell(event="done", step=self.step)


def main():
    folder = Path(sys.argv[1])
    plan = json.loads((folder / "plan.json").read_text())
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    try:
        Work(folder, plan).go()
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
