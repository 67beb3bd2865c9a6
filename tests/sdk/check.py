#!/usr/bin/env python3
"""Checks an OpenAI-compatible endpoint with the stock `openai` Python SDK (1.x, 2.x and 3.x).

Settings come from the environment, so that no key shows in a list of processes:

    OPENAI_BASE_URL   the endpoint, ending in /v1
    OPENAI_API_KEY    a key that may use both models
    MODEL             the tuned model
    BASE_MODEL        the model it was tuned from
    EXHAUSTED_KEY     a key of which the quota is used up
    PROMPT            a question for the chat calls

Prints one line `ok ...` for each check and ends with 1 at the first that fails, 2 when a setting is missing.
"""

import os
import sys

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
        self.key = setting("OPENAI_API_KEY")
        self.model = setting("MODEL")
        self.base_model = setting("BASE_MODEL")
        self.exhausted_key = setting("EXHAUSTED_KEY")
        self.prompt = setting("PROMPT")
        self.client = self.client_with(self.key)

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

    def completion(self):
        answer = self.client.completions.create(
            model=self.model, prompt=self.prompt, max_tokens=MAX_TOKENS, temperature=0
        )
        expect(answer.object == "text_completion", f"object is {answer.object!r}")
        expect(answer.choices and answer.choices[0].text.strip(), "the completion is empty")
        expect_usage(answer.usage, MAX_TOKENS)
        return usage_text(answer.usage)

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
        client = self.client_with(self.exhausted_key)
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


CHECKS = (
    "models_list",
    "models_retrieve",
    "chat_tuned",
    "chat_base",
    "chat_stream",
    "stream_without_usage",
    "completion",
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
    for name in CHECKS:
        try:
            seen = getattr(checks, name)()
        except (CheckFailed, openai.OpenAIError) as error:
            print(f"failed {name}: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
        except Exception as error:  # a malformed answer can break the SDK itself
            print(f"failed {name}: the SDK could not read the answer: {error!r}", file=sys.stderr)
            return 1
        print(f"ok {name}: {seen}", flush=True)
    print(f"ok all {len(CHECKS)} checks with openai {openai.__version__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
