#!/usr/bin/env python3
"""Checks an OpenAI-compatible endpoint with the stock `openai` Python SDK (1.x, 2.x and 3.x).

Settings come from the environment, so that no key shows in a list of processes:

    OPENAI_BASE_URL   the endpoint, ending in /v1
    OPENAI_API_KEY    a key that may use both models
    MODEL             the tuned model
    BASE_MODEL        the model it was tuned from
    EXHAUSTED_KEY     a key of which the quota is used up
    PROMPT            a question for the chat calls

Arguments name the checks to run, and then only what these read has to be set; without any, all run but `embeddings`, for
which MODEL must be one that makes them. check.mjs does the same with the SDK for JavaScript.

Prints one line `ok ...` for each check and ends with 1 at the first that fails, 2 when a setting is missing.
"""

import os
import sys
from functools import cached_property

import openai

MAX_TOKENS = 32
TIMEOUT_SECONDS = 120.0


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


class Checks:
    def __init__(self):
        self.base_url = setting("OPENAI_BASE_URL")
        self.model = setting("MODEL")
        self.client = self.client_with(setting("OPENAI_API_KEY"))

    @cached_property
    def base_model(self):
        return setting("BASE_MODEL")

    @cached_property
    def prompt(self):
        return setting("PROMPT")

    def client_with(self, key):
        # Without retries an answer is judged as it came; the SDK would repeat a 429 by itself.
        return openai.OpenAI(base_url=self.base_url, api_key=key, max_retries=0, timeout=TIMEOUT_SECONDS)

    def chat(self, client=None, **changes):
        arguments = {
            "model": self.model,
            "messages": [{"role": "user", "content": self.prompt}],
            "max_tokens": MAX_TOKENS,
            "temperature": 0,
        }
        arguments.update(changes)
        return (client or self.client).chat.completions.create(**arguments)

    # The checks, in the order in which they run.

    def models_list(self):
        ids = [model.id for model in self.client.models.list()]
        expect(self.model in ids, f"{self.model} is not in {ids}")
        expect(self.base_model in ids, f"{self.base_model} is not in {ids}")
        return f"{len(ids)} models"

    def models_retrieve(self):
        for name in (self.model, self.base_model):
            found = self.client.models.retrieve(name)
            expect(found.id == name, f"asked for {name}, got {found.id}")
            expect(found.object == "model", f"object is {found.object!r}")
        return f"{self.model}, {self.base_model}"

    def chat_tuned(self):
        return self.whole_chat(self.model)

    def chat_base(self):
        return self.whole_chat(self.base_model)

    def whole_chat(self, model):
        answer = self.chat(model=model)
        expect(answer.object == "chat.completion", f"object is {answer.object!r}")
        expect(len(answer.choices) == 1, f"{len(answer.choices)} choices")
        choice = answer.choices[0]
        expect(choice.message.role == "assistant", f"role is {choice.message.role!r}")
        expect((choice.message.content or "").strip(), "the answer is empty")
        expect(choice.finish_reason in ("stop", "length"), f"finish_reason is {choice.finish_reason!r}")
        expect_usage(answer.usage, MAX_TOKENS)
        return usage_text(answer.usage)

    def chat_stream(self):
        pieces, usages, finish, after_usage = [], [], None, 0
        for chunk in self.chat(stream=True, stream_options={"include_usage": True}):
            if usages:
                after_usage += 1
            if chunk.usage is not None:
                usages.append(chunk.usage)
                expect(chunk.choices == [], "the chunk with usage has choices")
                continue
            for choice in chunk.choices:
                pieces.append(choice.delta.content or "")
                finish = choice.finish_reason or finish
        expect("".join(pieces).strip(), "the streamed answer is empty")
        expect(finish in ("stop", "length"), f"finish_reason is {finish!r}")
        expect(len(usages) == 1, f"{len(usages)} chunks with usage")
        expect(after_usage == 0, f"{after_usage} chunks after the usage")
        expect_usage(usages[0], MAX_TOKENS)
        return f"{len(pieces)} pieces, {usage_text(usages[0])}"

    def stream_without_usage(self):
        chunks = list(self.chat(stream=True))
        text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        expect(text.strip(), "the streamed answer is empty")
        expect(all(chunk.usage is None for chunk in chunks), "usage was sent without being asked for")
        return f"{len(chunks)} chunks"

    def complete(self, **more):
        return self.client.completions.create(
            model=self.model, prompt=self.prompt, max_tokens=MAX_TOKENS, temperature=0, **more
        )

    def completion(self):
        answer = self.complete()
        expect(answer.object == "text_completion", f"object is {answer.object!r}")
        expect(answer.choices and answer.choices[0].text.strip(), "the completion is empty")
        expect_usage(answer.usage, MAX_TOKENS)
        return usage_text(answer.usage)

    def completion_stream(self):
        pieces, usages, finish = [], [], None
        for chunk in self.complete(stream=True, stream_options={"include_usage": True}):
            expect(chunk.object == "text_completion", f"object is {chunk.object!r}")
            expect(not usages, "a chunk came after the usage")
            if chunk.usage is not None:
                usages.append(chunk.usage)
                expect(chunk.choices == [], "the chunk with usage has choices")
                continue
            for choice in chunk.choices:
                pieces.append(choice.text)
                finish = choice.finish_reason or finish
        expect("".join(pieces).strip(), "the streamed completion is empty")
        expect(finish in ("stop", "length"), f"finish_reason is {finish!r}")
        expect(len(usages) == 1, f"{len(usages)} chunks with usage")
        expect_usage(usages[0], MAX_TOKENS)
        return f"{len(pieces)} pieces, {usage_text(usages[0])}"

    def embeddings(self):
        texts = ["een twee", "drie"]
        # The SDK asks for base64 by itself and makes numbers of it.
        vectors, usage = self.embed(texts)
        expect(vectors[0] != vectors[1], f"both texts are {vectors[0]}")
        plain, plain_usage = self.embed(texts, encoding_format="float")
        expect(plain == vectors, f"{plain} as numbers, {vectors} in base64")
        expect(plain_usage == usage, f"{plain_usage} as numbers, {usage} in base64")
        one, _ = self.embed(texts[1])
        expect(one == vectors[1:], f"{one} alone, {vectors[1:]} beside another")
        expect(len(self.embed([[1, 2, 3], [4]])[0]) == 2, "two lists of token ids have not two vectors")
        expect(len(self.embed([1, 2, 3])[0]) == 1, "a list of token ids has not one vector")
        return f"{len(vectors[0])} numbers for a text, {usage.total_tokens} tokens"

    def embed(self, texts, **more):
        """The vectors, in the order of the texts, and the usage."""
        answer = self.client.embeddings.create(model=self.model, input=texts, **more)
        expect(answer.object == "list", f"object is {answer.object!r}")
        expect([one.index for one in answer.data] == list(range(len(answer.data))), "they are out of order")
        vectors = [one.embedding for one in answer.data]
        for vector in vectors:
            expect(vector and all(isinstance(number, float) for number in vector), f"a vector is {vector!r}")
        usage = answer.usage
        expect(usage.prompt_tokens > 0, f"prompt_tokens is {usage.prompt_tokens}")
        expect(usage.total_tokens == usage.prompt_tokens, f"total_tokens is {usage.total_tokens}")
        return vectors, usage

    def no_embeddings(self):
        error = error_of(
            openai.BadRequestError, lambda: self.client.embeddings.create(model=self.model, input=self.prompt)
        )
        expect(error.code == "model_has_no_embeddings", f"code is {error.code!r}")
        return describe(error)

    def wrong_key(self):
        client = self.client_with("sk-this-key-was-never-issued")
        error = error_of(openai.AuthenticationError, lambda: self.chat(client))
        expect(error.status_code == 401, f"status {error.status_code}")
        expect(error.code == "invalid_api_key", f"code is {error.code!r}")
        return describe(error)

    def unknown_model(self):
        error = error_of(openai.NotFoundError, lambda: self.chat(model=f"{self.model}-that-does-not-exist"))
        expect(error.code == "model_not_found", f"code is {error.code!r}")
        return describe(error)

    def unknown_model_retrieve(self):
        error = error_of(
            openai.NotFoundError, lambda: self.client.models.retrieve(f"{self.model}-that-does-not-exist")
        )
        return describe(error)

    def exhausted_quota(self):
        client = self.client_with(setting("EXHAUSTED_KEY"))
        error = error_of(openai.RateLimitError, lambda: self.chat(client))
        expect(error.code == "insufficient_quota", f"code is {error.code!r}")
        return describe(error)

    def bad_request(self):
        error = error_of(openai.BadRequestError, lambda: self.chat(messages=[]))
        return describe(error)

    def bad_temperature(self):
        error = error_of(openai.BadRequestError, lambda: self.chat(temperature=99))
        return f"{describe(error)}, param {error.param}"

    def still_answers(self):
        # The refusals above must not have spent or locked the good key.
        return self.whole_chat(self.model)


def expect_usage(usage, most):
    expect(usage is not None, "there is no usage")
    prompt, completion, total = usage.prompt_tokens, usage.completion_tokens, usage.total_tokens
    expect(prompt > 0, f"prompt_tokens is {prompt}")
    expect(0 < completion <= most, f"completion_tokens is {completion}, asked for at most {most}")
    expect(total == prompt + completion, f"total_tokens {total} is not {prompt} + {completion}")


def usage_text(usage):
    return f"{usage.prompt_tokens} + {usage.completion_tokens} = {usage.total_tokens} tokens"


def error_of(kind, call):
    """The error that `call` raises, which must be of exactly this class of the SDK."""
    try:
        call()
    except openai.OpenAIError as error:
        expect(type(error) is kind, f"{type(error).__name__} instead of {kind.__name__}: {error}")
        expect(isinstance(error.body, dict), f"the body is not an OpenAI error: {error.body!r}")
        expect(error.body.get("message"), f"the error has no message: {error.body!r}")
        expect(error.type, f"the error has no type: {error.body!r}")
        return error
    raise CheckFailed(f"no error instead of {kind.__name__}")


def describe(error):
    return f"{type(error).__name__}, type {error.type}, code {error.code}"


# Without `embeddings`, which wants another model.
CHECKS = (
    "models_list",
    "models_retrieve",
    "chat_tuned",
    "chat_base",
    "chat_stream",
    "stream_without_usage",
    "completion",
    "completion_stream",
    "no_embeddings",
    "wrong_key",
    "unknown_model",
    "unknown_model_retrieve",
    "exhausted_quota",
    "bad_request",
    "bad_temperature",
    "still_answers",
)


def main():
    checks = Checks()
    names = sys.argv[1:] or CHECKS
    for name in names:
        try:
            seen = getattr(checks, name)()
        except (CheckFailed, openai.OpenAIError) as error:
            print(f"failed {name}: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
        except Exception as error:  # a malformed answer can break the SDK itself
            print(f"failed {name}: the SDK could not read the answer: {error!r}", file=sys.stderr)
            return 1
        print(f"ok {name}: {seen}", flush=True)
    print(f"ok all {len(names)} checks with openai {openai.__version__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
