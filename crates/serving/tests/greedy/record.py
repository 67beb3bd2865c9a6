#!/usr/bin/env python3
"""Records what llama.cpp answers greedily, for tests/greedy.rs and tests/exact.rs to compare with.

    "$(scripts/peers/setup-llama)" crates/serving/tests/greedy/record.py SmolLM2-135M-Instruct.Q4_1.gguf

The weights are those that the file stores, handed over as F32: with quantised weights llama.cpp rounds its activations
to 8 bits, which alone moves the logits of this model by tenths of a nat and makes near choices arbitrary. Keys and
values stay in f32. For each prompt of prompts.json the script notes the number of the prompt's tokens, the tokens of the
answer, and how far the two likeliest tokens were apart at each step (natural logarithms), so that the test can tell a
difference from a tie. Writes expected.json beside itself.
"""

import ctypes
import json
import pathlib
import sys
import tempfile

import gguf
import llama_cpp as llama
import numpy

HERE = pathlib.Path(__file__).parent
NEW_TOKENS = 40
CONTEXT = 1024


def dequantise(source: str, target: pathlib.Path) -> None:
    """Writes the same model with all matrices as F32."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(str(target), arch="llama")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
            continue
        kind = field.types[0]
        writer.add_key_value(field.name, field.contents(), kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
        writer.add_tensor(tensor.name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Model:
    def __init__(self, path: pathlib.Path):
        llama.llama_backend_init()
        self.silence = llama.llama_log_callback(lambda level, text, data: None)
        llama.llama_log_set(self.silence, ctypes.c_void_p(0))
        self.model = llama.llama_model_load_from_file(str(path).encode(), llama.llama_model_default_params())
        self.vocab = llama.llama_model_get_vocab(self.model)
        self.words = llama.llama_vocab_n_tokens(self.vocab)
        params = llama.llama_context_default_params()
        params.n_ctx = CONTEXT
        # Threads that wait for each other stand still on a busy machine.
        params.n_threads = params.n_threads_batch = 1
        params.type_k = params.type_v = llama.GGML_TYPE_F32
        params.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.context = llama.llama_init_from_model(self.model, params)
        self.batch = llama.llama_batch_init(CONTEXT, 0, 1)

    def tokens(self, text: str) -> list:
        data = text.encode()
        room = (llama.llama_token * (len(data) + 8))()
        count = llama.llama_tokenize(self.vocab, data, len(data), room, len(room), False, True)
        return list(room[:count])

    def piece(self, token: int) -> bytes:
        room = ctypes.create_string_buffer(256)
        length = llama.llama_token_to_piece(self.vocab, token, room, 256, 0, True)
        return room.raw[:length]

    def logits(self, tokens: list, start: int) -> numpy.ndarray:
        batch = self.batch
        batch.n_tokens = len(tokens)
        for place, token in enumerate(tokens):
            batch.token[place] = token
            batch.pos[place] = start + place
            batch.n_seq_id[place] = 1
            batch.seq_id[place][0] = 0
            batch.logits[place] = place + 1 == len(tokens)
        if llama.llama_decode(self.context, batch) != 0:
            sys.exit("llama_decode failed")
        row = llama.llama_get_logits_ith(self.context, len(tokens) - 1)
        return numpy.ctypeslib.as_array(row, (self.words,))

    def answer(self, prompt: str) -> dict:
        llama.llama_memory_clear(llama.llama_get_memory(self.context), True)
        tokens = self.tokens(prompt)
        prompt_tokens = len(tokens)
        next_tokens, chosen, gaps = tokens, [], []
        position = 0
        while len(chosen) < NEW_TOKENS:
            logits = self.logits(next_tokens, position)
            position += len(next_tokens)
            second, best = numpy.partition(logits, -2)[-2:]
            chosen.append(int(logits.argmax()))
            gaps.append(round(float(best - second), 6))
            if llama.llama_vocab_is_eog(self.vocab, chosen[-1]):
                break
            next_tokens = chosen[-1:]
        text = b"".join(self.piece(token) for token in chosen).decode(errors="replace")
        return {"prompt_tokens": prompt_tokens, "tokens": chosen, "gaps": gaps, "text": text}


def chatml(turns: list) -> str:
    """The template of the model, with its own system line where a chat brings none."""
    if turns[0]["role"] != "system":
        turns = [{"role": "system", "content": "You are a helpful AI assistant named SmolLM, trained by Hugging Face"}] + turns
    text = "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in turns)
    return text + "<|im_start|>assistant\n"


def main() -> None:
    prompts = json.loads((HERE / "prompts.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "f32.gguf"
        dequantise(sys.argv[1], path)
        model = Model(path)
        lines = [json.dumps(model.answer(chatml(turns)), ensure_ascii=False) for turns in prompts]
    (HERE / "expected.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
    print(f"recorded {len(lines)} answers")


if __name__ == "__main__":
    main()
