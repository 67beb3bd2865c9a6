#!/usr/bin/env python3
"""Measures our engine and llama.cpp by turns; called by scripts/benchmarks/serving.

    serving.py OUR_PEER BASE.gguf WORK_DIR ROUNDS THREADS
"""

import json
import pathlib
import statistics
import struct
import subprocess
import sys

import gguf
import numpy

HERE = pathlib.Path(__file__).parent
STREAMS = 8
RANK = 8


class Engine:
    """A process that answers commands."""

    def __init__(self, *command):
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self, *words) -> dict:
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.process.args} ended at {words}")
        return json.loads(line)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def tensors(path: pathlib.Path) -> dict:
    """The f32 tensors of a safetensors file."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    start = 8 + length
    return {
        name: numpy.frombuffer(data[start + entry["data_offsets"][0] : start + entry["data_offsets"][1]], "<f4").reshape(
            entry["shape"]
        )
        for name, entry in header.items()
        if name != "__metadata__"
    }


NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def to_gguf(folder: pathlib.Path, target: pathlib.Path, heads: dict) -> None:
    """Writes a PEFT adapter as llama.cpp wants it, in half precision."""
    config = json.loads((folder / "adapter_config.json").read_text())
    writer = gguf.GGUFWriter(str(target), arch="llama")
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(config["lora_alpha"]))
    for name, values in tensors(folder / "adapter_model.safetensors").items():
        _, _, _, _, layer, module, projection, half, _ = name.split(".")
        part = NAMES[f"{module}.{projection}"]
        if half == "lora_B" and part in heads:
            # llama.cpp turns neighbouring pairs, the model hub's layout halves of a head.
            rows, rank = values.shape
            values = values.reshape(heads[part], 2, rows // heads[part] // 2, rank).swapaxes(1, 2).reshape(rows, rank)
        writer.add_tensor(f"blk.{layer}.{part}.weight.{half.lower()}", values.astype(numpy.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    ours, base, work, rounds, threads = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
    llama = [sys.executable, HERE / "llama_peer.py"]
    for kind in ("q8_0", "q4_0"):
        subprocess.run([*llama, "quantise", base, work / f"{kind}.gguf", kind], check=True, capture_output=True)
    folders = work / "adapters"
    folders.mkdir()
    for number in range(STREAMS):
        subprocess.run([ours, "adapter", base, folders / f"a{number}", str(RANK), str(number)], check=True)
    fields = gguf.GGUFReader(base).fields
    heads = {
        "attn_q": int(fields["llama.attention.head_count"].contents()),
        "attn_k": int(fields["llama.attention.head_count_kv"].contents()),
    }
    adapter = work / "adapter.gguf"
    to_gguf(folders / "a0", adapter, heads)

    def both(kind: str, weights: str) -> tuple:
        path = work / f"{kind}.gguf"
        return Engine(ours, path, weights, 8, threads), Engine(*llama, path, threads)

    ours8, peer8 = both("q8_0", "stored")
    ours4, peer4 = both("q4_0", "stored")
    # What is served by default: activations in 16 bits, nearly exact.
    exact4 = Engine(ours, work / "q4_0.gguf", "stored", 16, threads)
    engines = [ours8, peer8, ours4, peer4, exact4]
    print(f"{threads} threads, {rounds} rounds, medians; ours {ours4.ask('about')['system']}, llama.cpp {peer4.ask('about')['system']}")
    decode8, decode1 = ("decode", STREAMS, 32), ("decode", 1, 64)
    rates = [
        # name, ours, command, the other, its command, goal
        ("prompt of 256, 8 bit", ours8, ("prompt", 256), peer8, ("prompt", 256), 2.5),
        ("prompt of 256, 4 bit", ours4, ("prompt", 256), peer4, ("prompt", 256), 1.5),
        ("one answer, 4 bit", ours4, decode1, peer4, decode1, 1.5),
        ("8 answers, 4 bit", ours4, decode8, peer4, decode8, 2.5),
        ("8 answers, 8 bit", ours8, decode8, peer8, decode8, 2.5),
        ("8 adapters, 4 bit", ours4, ("adapters", folders, STREAMS, 16), peer4, ("adapters", adapter, STREAMS, 8), 6.0),
        ("8 adapters to none, ours", ours4, ("adapters", folders, STREAMS, 32), ours4, decode8, 0.85),
        ("prompt of 256, 4 bit, as served", exact4, ("prompt", 256), peer4, ("prompt", 256), None),
        ("one answer, 4 bit, as served", exact4, decode1, peer4, decode1, None),
        ("8 answers, 4 bit, as served", exact4, decode8, peer4, decode8, None),
    ]
    seen = {rate[0]: [] for rate in rates}
    firsts, loads = [], []
    for _ in range(rounds):
        for name, one, command, other, other_command, _ in rates:
            seen[name].append((one.ask(*command), other.ask(*other_command)))
        firsts.append((ours4.ask("first", STREAMS, 256)["seconds"], peer4.ask("first", STREAMS, 256)["seconds"]))
        loads.append((ours4.ask("load", folders / "a1"), peer4.ask("load", adapter)["seconds"]))
    missed = []

    def report(name: str, ratio: float, goal, holds: bool, text: str) -> None:
        verdict = "" if goal is None else f" (goal {goal}: {'met' if holds else 'missed'})"
        print(f"{name}: {text}, {ratio:.2f} times{verdict}")
        if goal is not None and not holds:
            missed.append(name)

    for name, _, _, _, _, goal in rates:
        per = {
            unit: [statistics.median(pair[side][unit] for pair in seen[name]) for side in (0, 1)]
            for unit in ("tokens_per_second", "tokens_per_cpu_second")
        }
        wall, cpu = per["tokens_per_second"], per["tokens_per_cpu_second"]
        ratio = wall[0] / wall[1]
        text = f"{wall[0]:.0f} against {wall[1]:.0f} tokens/s; by processor time {cpu[0]:.0f} against {cpu[1]:.0f} ({cpu[0] / cpu[1]:.2f})"
        report(name, ratio, goal, goal is None or ratio >= goal, text)
    first = [statistics.median(pair[side] for pair in firsts) for side in (0, 1)]
    report("first token with 8 running", first[0] / first[1], "at most 0.5", first[0] <= 0.5 * first[1], f"{first[0]:.3f} against {first[1]:.3f} s")
    load = statistics.median(pair[0]["seconds"] for pair in loads)
    peer_load = statistics.median(pair[1] for pair in loads)
    pauses = [statistics.median(pair[0][name] for pair in loads) for name in ("usual_pause", "pause")]
    text = f"{load * 1000:.1f} ms, longest pause of a stream {pauses[1] * 1000:.0f} ms (else {pauses[0] * 1000:.0f}); llama.cpp {peer_load * 1000:.1f} ms"
    report("loading an adapter", load / peer_load, "at most 20 ms", load <= 0.02, text)
    # Fresh processes, so that nothing of what was measured before counts.
    for engine in engines:
        engine.close()
    fresh = both("q4_0", "stored")
    sizes = []
    for engine in fresh:
        engine.ask(*decode8)
        sizes.append(engine.ask("memory")["bytes"])
        engine.close()
    report("memory with 8 answers", sizes[0] / sizes[1], "at most 1.2", sizes[0] <= 1.2 * sizes[1], f"{sizes[0] / 2**20:.0f} against {sizes[1] / 2**20:.0f} MiB")
    if missed:
        print(f"missed: {', '.join(missed)}")
        sys.exit(1)


if __name__ == "__main__":
    main()
