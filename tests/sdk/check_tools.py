#!/usr/bin/env python3
"""Checks an OpenAI-compatible endpoint with tools that take an address: LangChain, and `llm` on the command line.

    OPENAI_BASE_URL   the endpoint, ending in /v1
    OPENAI_API_KEY    a key that may use the model
    MODEL             the model
    EXHAUSTED_KEY     a key of which the quota is used up
    PROMPT            a question

Arguments name the checks to run, and then only what these read has to be set; without any, all run but `embeddings`, for
which MODEL must be one that makes them.

Prints one line `ok ...` for each check and ends with 1 at the first that fails, 2 when a setting is missing.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version

import langchain_openai
import openai
import tiktoken

MAX_TOKENS = 32
TIMEOUT_SECONDS = 120.0
WRONG_KEY = "sk-this-key-was-never-issued"


class CheckFailed(Exception):
    """A check did not hold; the text says what was seen."""


def expect(holds, seen):
    """Unlike `assert`, this still checks under `python -O`."""
    if not holds:
        raise CheckFailed(seen)


def setting(name):
    value = os.environ.get(name, "")
    if not value:
        print(f"{name} is not set; see the head of this file", file=sys.stderr)
        sys.exit(2)
    return value


# LangChain. It takes address and key from the environment too; they are given so that it shows.


def connection(**changes):
    # Without retries an answer is judged as it came.
    given = {
        "base_url": setting("OPENAI_BASE_URL"),
        "api_key": setting("OPENAI_API_KEY"),
        "model": setting("MODEL"),
        "max_retries": 0,
        "timeout": TIMEOUT_SECONDS,
    }
    return {**given, **changes}


def chat_model(**changes):
    return langchain_openai.ChatOpenAI(**connection(max_tokens=MAX_TOKENS, temperature=0, **changes))


def expect_message(message):
    expect(message.text.strip(), "the answer is empty")
    end = message.response_metadata.get("finish_reason")
    expect(end in ("stop", "length"), f"finish_reason is {end!r}")
    usage = message.usage_metadata
    expect(usage is not None, "there is no usage")
    prompt, completion, total = usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]
    expect(prompt > 0 and 0 < completion <= MAX_TOKENS and total == prompt + completion, f"usage is {usage}")
    return f"{prompt} + {completion} = {total} tokens"


def langchain_chat():
    messages = [("system", "Antwoord kort."), ("human", setting("PROMPT"))]
    return expect_message(chat_model().invoke(messages))


def langchain_stream():
    # With an address of one's own it asks for usage only where it is told to.
    whole, pieces = None, 0
    for piece in chat_model(stream_usage=True).stream(setting("PROMPT")):
        whole = piece if whole is None else whole + piece
        pieces += 1
    expect(pieces > 1, f"the answer came in {pieces} pieces")
    return f"{pieces} pieces, {expect_message(whole)}"


def langchain_completion():
    model = langchain_openai.OpenAI(**connection(max_tokens=MAX_TOKENS, temperature=0))
    said = model.invoke(setting("PROMPT"))
    expect(said.strip(), "the completion is empty")
    pieces = list(model.stream(setting("PROMPT")))
    expect("".join(pieces).strip(), "the streamed completion is empty")
    return f"{len(said)} characters, {len(pieces)} pieces"


def langchain_errors():
    seen = []
    for kind, changes in (
        (openai.AuthenticationError, {"api_key": WRONG_KEY}),
        (openai.NotFoundError, {"model": setting("MODEL") + "-that-does-not-exist"}),
        (openai.RateLimitError, {"api_key": setting("EXHAUSTED_KEY")}),
    ):
        try:
            chat_model(**changes).invoke(setting("PROMPT"))
        except openai.OpenAIError as error:
            expect(isinstance(error, kind), f"{type(error).__name__} instead of {kind.__name__}: {error}")
            seen.append(type(error).__name__)
        else:
            raise CheckFailed(f"no error instead of {kind.__name__}")
    return ", ".join(seen)


def embeddings():
    texts = ["een twee", "drie"]
    as_text = langchain_openai.OpenAIEmbeddings(**connection(check_embedding_ctx_length=False))
    vectors = as_text.embed_documents(texts)
    expect(len(vectors) == 2 and vectors[0] != vectors[1], f"vectors are {vectors}")
    alone = as_text.embed_query(texts[0])
    expect(alone == vectors[0], f"{alone} alone, {vectors[0]} beside another")
    # By itself it sends token ids. They are of a vocabulary that it downloads; here bytes stand for it.
    tiktoken.registry.ENCODINGS["cl100k_base"] = tiktoken.Encoding(
        "cl100k_base",
        pat_str=r"[\s\S]",
        mergeable_ranks={bytes([byte]): byte for byte in range(256)},
        special_tokens={},
    )
    by_itself = langchain_openai.OpenAIEmbeddings(**connection()).embed_documents(texts)
    expect([len(vector) for vector in by_itself] == [len(vector) for vector in vectors], f"vectors are {by_itself}")
    return f"{len(alone)} numbers for a text"


# llm, as a person sets it up: a file that names models and their address, and the key beside it.


def llm(*arguments, key=None):
    """What it says and what it complains of, with its exit status."""
    with tempfile.TemporaryDirectory() as folder:
        settings = pathlib.Path(folder)
        model = {"model_name": setting("MODEL"), "api_base": setting("OPENAI_BASE_URL"), "api_key_name": "portal"}
        models = [{"model_id": "portal", **model}, {"model_id": "portal-text", "completion": True, **model}]
        # JSON is YAML.
        (settings / "extra-openai-models.yaml").write_text(json.dumps(models), encoding="utf-8")
        keys = settings / "keys.json"
        keys.touch(mode=0o600)
        keys.write_text(json.dumps({"portal": key or setting("OPENAI_API_KEY")}), encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-m", "llm", *arguments],
            env={**os.environ, "LLM_USER_PATH": folder},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )


SHORT = ("-o", "max_tokens", str(MAX_TOKENS), "-o", "temperature", "0")


def prompted(*more):
    done = llm("prompt", "--usage", *SHORT, *more, setting("PROMPT"))
    expect(done.returncode == 0, f"it ended with {done.returncode}: {done.stderr}")
    expect(done.stdout.strip(), "the answer is empty")
    return done


def with_usage(done):
    usage = re.search(r"Token usage: ([\d,]+) input, ([\d,]+) output", done.stderr)
    expect(usage, f"it told no usage: {done.stderr!r}")
    completion = int(usage[2].replace(",", ""))
    expect(0 < completion <= MAX_TOKENS, f"{completion} tokens, asked for at most {MAX_TOKENS}")
    return f"{len(done.stdout.strip())} characters, {usage[0]}"


def llm_prompt():
    return with_usage(prompted("-m", "portal", "--no-stream"))


def llm_stream():
    return with_usage(prompted("-m", "portal"))


def llm_completion():
    # Of these it tells no usage, whoever answers.
    whole, streamed = prompted("-m", "portal-text", "--no-stream"), prompted("-m", "portal-text")
    return f"{len(whole.stdout.strip())} and {len(streamed.stdout.strip())} characters"


def llm_models():
    done = llm("openai", "endpoint", setting("OPENAI_BASE_URL"), "--models", "--key", "portal")
    names = done.stdout.split()
    expect(done.returncode == 0 and setting("MODEL") in names, f"{names} {done.stderr}")
    return f"{len(names)} models"


def llm_wrong_key():
    done = llm("prompt", "-m", "portal", *SHORT, setting("PROMPT"), key=WRONG_KEY)
    expect(done.returncode == 1, f"it ended with {done.returncode}")
    expect("401" in done.stderr, f"it says {done.stderr!r}")
    return done.stderr.strip()


# Without `embeddings`, which wants another model.
CHECKS = (
    langchain_chat,
    langchain_stream,
    langchain_completion,
    langchain_errors,
    llm_prompt,
    llm_stream,
    llm_completion,
    llm_models,
    llm_wrong_key,
)


def main():
    checks = [globals()[name] for name in sys.argv[1:]] or CHECKS
    for check in checks:
        try:
            seen = check()
        except Exception as error:  # a malformed answer can break a tool itself
            print(f"failed {check.__name__}: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
        print(f"ok {check.__name__}: {seen}", flush=True)
    tools = ", ".join(f"{name} {version(name)}" for name in ("langchain-openai", "llm"))
    print(f"ok all {len(checks)} checks with {tools}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
