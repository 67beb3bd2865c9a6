#!/usr/bin/env python3
"""Records what llama.cpp answers greedily, for tests/greedy.rs to compare with.

    python3 -m venv VENV && VENV/bin/pip install xllamacpp gguf numpy
    VENV/bin/python record.py SmolLM2-135M-Instruct.Q4_1.gguf

The model is requantised to Q8_0 first, the weights our engine computes with, and those weights are handed over as F32:
with Q8_0 weights llama.cpp would round its activations to 8 bits too, which alone moves the logits of this model by
tenths of a nat and makes near choices arbitrary. Keys and values stay in f32. For each prompt of prompts.json the script notes the prompt's
tokens, the tokens of the answer, and how far the two likeliest tokens were apart at each step (natural logarithms),
so that the test can tell a difference from a tie. Writes expected.json beside itself.
"""

import json
import pathlib
import sys
import tempfile

import gguf
import numpy
import xllamacpp

HERE = pathlib.Path(__file__).parent
NEW_TOKENS = 40


def requantise(source: str, target: pathlib.Path) -> None:
    """Writes the same model with all matrices rounded to Q8_0, stored as F32."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(str(target), arch="llama")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
            continue
        kind = field.types[0]
        writer.add_key_value(field.name, field.contents(), kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    q8_0 = gguf.GGMLQuantizationType.Q8_0
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
        if values.ndim > 1:
            values = gguf.quants.dequantize(gguf.quants.quantize(values, q8_0), q8_0)
        writer.add_tensor(tensor.name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def start(model: pathlib.Path) -> xllamacpp.Server:
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_ctx = 2048
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.warmup = False
    params.cache_prompt = False
    params.cpuparams.n_threads = 2
    params.cpuparams_batch.n_threads = 2
    params.cache_type_k = xllamacpp.ggml_type.GGML_TYPE_F32
    params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    return xllamacpp.Server(params)


def chatml(turns: list) -> str:
    """The template of the model, with its own system line where a chat brings none."""
    if turns[0]["role"] != "system":
        turns = [{"role": "system", "content": "You are a helpful AI assistant named SmolLM, trained by Hugging Face"}] + turns
    text = "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in turns)
    return text + "<|im_start|>assistant\n"


def answer(server: xllamacpp.Server, prompt: str) -> dict:
    response = server.handle_completions(
        {
            "prompt": prompt,
            "n_predict": NEW_TOKENS,
            "temperature": 0.0,
            "top_k": 1,
            "logprobs": 2,
            "n_probs": 2,
            "cache_prompt": False,
        }
    )
    choice = response["choices"][0]
    steps = choice["logprobs"]["content"]
    # Of a character that spans several tokens the server reports one token only: no measure for us.
    if len(steps) != response["usage"]["completion_tokens"]:
        sys.exit(f"the answer to {prompt!r} cannot be recorded token by token; choose another prompt")
    gaps = []
    for step in steps:
        best, second = sorted((top["logprob"] for top in step["top_logprobs"]), reverse=True)[:2]
        gaps.append(round(best - second, 6))
    return {
        "prompt_tokens": response["usage"]["prompt_tokens"],
        "tokens": [step["id"] for step in steps],
        "gaps": gaps,
        "text": choice["text"],
    }


def main() -> None:
    prompts = json.loads((HERE / "prompts.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        model = pathlib.Path(folder) / "f32.gguf"
        requantise(sys.argv[1], model)
        server = start(model)
        lines = [json.dumps(answer(server, chatml(turns)), ensure_ascii=False) for turns in prompts]
    (HERE / "expected.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
    print(f"recorded {len(lines)} answers of llama.cpp {xllamacpp.BUILD_INFO}")


if __name__ == "__main__":
    main()
