#!/usr/bin/env python3
"""llama.cpp as a peer that is measured by turns: one command a line in, one JSON object a line out.

    llama_peer.py MODEL.gguf [THREADS]          answers commands until its input ends
    llama_peer.py quantise SOURCE TARGET q8_0|q4_0

Commands, all with greedy choice and synthetic prompts that are the same for every engine (see `prompt`):

    prompt TOKENS           reads one prompt                            -> tokens a second
    decode STREAMS TOKENS   answers of so many streams in one batch     -> tokens a second of all of them
    adapters FILE STREAMS TOKENS   the same, each stream with an adapter of its own: one context, one sequence at a
                            time, since llama.cpp has one set of adapters for a whole batch
    first STREAMS TOKENS    time to the first token of a prompt that arrives while streams run (prompt as one batch
                            with the running streams, as its own server does)  -> seconds
    load FILE               reads an adapter                            -> seconds
    memory                  resident bytes
"""

import ctypes
import json
import sys
import time

import llama_cpp as llama
import numpy

PROMPT = 32
CONTEXT = 1024
SEQUENCES = 16


def prompt(count: int, number: int = 0) -> list[int]:
    """Tokens 300..40000 by a fixed rule: no engine can know them from an earlier prompt."""
    return [300 + (7919 * (place + 1) + 104729 * number) % 39700 for place in range(count)]


class Peer:
    def __init__(self, path: str, threads: int):
        llama.llama_backend_init()
        self.silence = llama.llama_log_callback(lambda level, text, data: None)
        llama.llama_log_set(self.silence, ctypes.c_void_p(0))
        start = time.monotonic()
        self.model = llama.llama_model_load_from_file(path.encode(), llama.llama_model_default_params())
        params = llama.llama_context_default_params()
        params.n_ctx = CONTEXT
        params.n_seq_max = SEQUENCES
        params.n_batch = 2048
        params.n_ubatch = 512
        params.n_threads = params.n_threads_batch = threads
        params.kv_unified = True
        self.context = llama.llama_init_from_model(self.model, params)
        self.load_seconds = time.monotonic() - start
        self.words = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        self.batch = llama.llama_batch_init(2048, 0, SEQUENCES)
        self.adapters: dict[str, list] = {}

    def clear(self) -> None:
        llama.llama_memory_clear(llama.llama_get_memory(self.context), True)

    def step(self, rows: list[tuple[int, int, int, bool]]) -> list[int]:
        """Computes (token, position, sequence, wants the next token) and returns the tokens that were wanted."""
        batch = self.batch
        batch.n_tokens = len(rows)
        for place, (token, position, sequence, wants) in enumerate(rows):
            batch.token[place] = token
            batch.pos[place] = position
            batch.n_seq_id[place] = 1
            batch.seq_id[place][0] = sequence
            batch.logits[place] = wants
        if llama.llama_decode(self.context, batch) != 0:
            sys.exit("llama_decode failed")
        chosen = []
        for place, row in enumerate(rows):
            if row[3]:
                logits = llama.llama_get_logits_ith(self.context, place)
                chosen.append(int(numpy.ctypeslib.as_array(logits, (self.words,)).argmax()))
        return chosen

    def read(self, tokens: list[int], sequence: int) -> int:
        return self.step([(t, p, sequence, p + 1 == len(tokens)) for p, t in enumerate(tokens)])[0]

    def measure_prompt(self, count: int) -> dict:
        self.clear()
        start, cpu = time.monotonic(), time.process_time()
        self.read(prompt(count), 0)
        return rate(count, start, cpu)

    def measure_decode(self, streams: int, count: int) -> dict:
        self.clear()
        next_tokens = [self.read(prompt(PROMPT, s), s) for s in range(streams)]
        start, cpu = time.monotonic(), time.process_time()
        for at in range(count):
            next_tokens = self.step([(t, PROMPT + at, s, True) for s, t in enumerate(next_tokens)])
        return rate(streams * count, start, cpu)

    def adapter(self, path: str, streams: int) -> list:
        if path not in self.adapters:
            # Eight different ones for llama.cpp as for us: their contents do not matter for the speed.
            self.adapters[path] = [llama.llama_adapter_lora_init(self.model, path.encode()) for _ in range(streams)]
        return self.adapters[path]

    def use(self, adapter) -> None:
        kind = llama.llama_adapter_lora_p_ctypes
        if adapter is None:
            llama.llama_set_adapters_lora(self.context, None, 0, None)
        else:
            llama.llama_set_adapters_lora(self.context, (kind * 1)(adapter), 1, (ctypes.c_float * 1)(1.0))

    def measure_adapters(self, path: str, streams: int, count: int) -> dict:
        adapters = self.adapter(path, streams)
        self.clear()
        next_tokens = []
        for stream, adapter in enumerate(adapters):
            self.use(adapter)
            next_tokens.append(self.read(prompt(PROMPT, stream), stream))
        start, cpu = time.monotonic(), time.process_time()
        for at in range(count):
            for stream, adapter in enumerate(adapters):
                self.use(adapter)
                next_tokens[stream] = self.step([(next_tokens[stream], PROMPT + at, stream, True)])[0]
        result = rate(streams * count, start, cpu)
        self.use(None)
        return result

    def measure_first(self, streams: int, count: int) -> dict:
        self.clear()
        next_tokens = [self.read(prompt(PROMPT, s), s) for s in range(streams)]
        for at in range(4):
            next_tokens = self.step([(t, PROMPT + at, s, True) for s, t in enumerate(next_tokens)])
        start = time.monotonic()
        rows = [(t, PROMPT + 4, s, True) for s, t in enumerate(next_tokens)]
        late = prompt(count, streams)
        self.step(rows + [(t, p, streams, p + 1 == count) for p, t in enumerate(late)])
        return {"seconds": time.monotonic() - start}

    def measure_load(self, path: str) -> dict:
        start = time.monotonic()
        adapter = llama.llama_adapter_lora_init(self.model, path.encode())
        seconds = time.monotonic() - start
        llama.llama_adapter_lora_free(adapter)
        return {"seconds": seconds}


def rate(tokens: int, start: float, cpu: float) -> dict:
    return {
        "tokens_per_second": tokens / (time.monotonic() - start),
        "tokens_per_cpu_second": tokens / (time.process_time() - cpu),
    }


def memory() -> dict:
    for line in open("/proc/self/status", encoding="ascii"):
        if line.startswith("VmRSS"):
            return {"bytes": int(line.split()[1]) * 1024}
    return {}


def quantise(source: str, target: str, kind: str) -> None:
    params = llama.llama_model_quantize_default_params()
    params.allow_requantize = True
    params.ftype = {"q8_0": llama.LLAMA_FTYPE_MOSTLY_Q8_0, "q4_0": llama.LLAMA_FTYPE_MOSTLY_Q4_0}[kind]
    if llama.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params)) != 0:
        sys.exit("llama_model_quantize failed")


def main() -> None:
    if sys.argv[1] == "quantise":
        quantise(*sys.argv[2:5])
        return
    peer = Peer(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2)
    verbs = {
        "prompt": lambda n: peer.measure_prompt(int(n)),
        "decode": lambda s, n: peer.measure_decode(int(s), int(n)),
        "adapters": lambda f, s, n: peer.measure_adapters(f, int(s), int(n)),
        "first": lambda s, n: peer.measure_first(int(s), int(n)),
        "load": peer.measure_load,
        "memory": memory,
        "about": lambda: {"system": llama.llama_print_system_info().decode(), "load_seconds": peer.load_seconds},
    }
    for line in sys.stdin:
        verb, *arguments = line.split()
        print(json.dumps(verbs[verb](*arguments)), flush=True)


if __name__ == "__main__":
    main()
