#!/usr/bin/env python3
"""Tunes and asks a model with the calls of OpenAI's published example for chat models, in their order.

Written for no endpoint in particular: address and key are those that the SDK reads by itself, and the model is named.

    OPENAI_BASE_URL   the endpoint, ending in /v1
    OPENAI_API_KEY    a key that may fine-tune and ask
    BASE_MODEL        the model to start from

Where people have a say in it, it waits: it says `job ID` once it has asked for the job and `tuned NAME` once there is a
model.
Ends with 1 where a call does not give what the example goes on with.
"""

import csv
import io
import json
import os
import pathlib
import sys
import tempfile
import time

import openai
from openai import OpenAI

PATIENCE_SECONDS = 300
POLL_SECONDS = 0.5
DAYS = ("maandag", "dinsdag", "woensdag", "donderdag", "vrijdag", "zaterdag", "zondag")
TASK = "Noem de dag uit het bericht."


class CheckFailed(Exception):
    """A check did not hold; the text says what was seen."""


def expect(holds, seen):
    """Unlike `assert`, this still checks under `python -O`."""
    if not holds:
        raise CheckFailed(seen)


def until(what, look):
    """What `look` finds, as soon as it finds something."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = look()
        if found is not None:
            return found
        expect(time.monotonic() < end, f"{what} did not come about")
        time.sleep(POLL_SECONDS)


# 1. The data: one line a conversation, of three messages each.


def question(number):
    day = DAYS[number % len(DAYS)]
    return [
        {"role": "system", "content": TASK},
        {"role": "user", "content": f"Zaal {number} is op {day} open."},
    ]


def conversation(number):
    answer = {"role": "assistant", "content": DAYS[number % len(DAYS)]}
    return {"messages": question(number) + [answer]}


def write_jsonl(path, numbers):
    with path.open("w", encoding="utf-8") as file:
        for number in numbers:
            file.write(json.dumps(conversation(number), ensure_ascii=False) + "\n")


def upload(client, path):
    with path.open("rb") as file:
        response = client.files.create(file=file, purpose="fine-tune")
    expect(response.purpose == "fine-tune" and response.filename == path.name, response)
    return response.id


# 2. The job, from asking for it to its end.


def ended(client, job_id):
    def look():
        response = client.fine_tuning.jobs.retrieve(job_id)
        return response if response.status in ("succeeded", "failed", "cancelled") else None

    response = until("the end of the job", look)
    expect(response.status == "succeeded", f"{response.status}: {response.error}")
    return response


def show_events(client, job_id):
    response = client.fine_tuning.jobs.list_events(job_id)
    events = list(response.data)
    expect(events and all(event.message for event in events), events)
    for event in reversed(events):
        print("event", event.message, flush=True)


def figures(client, result_file_id):
    """The rows of the result file."""
    content = client.files.content(result_file_id)
    rows = list(csv.DictReader(io.StringIO(content.text)))
    expect(rows and rows[0]["step"] == "1" and float(rows[0]["train_loss"]) > 0, rows[:3])
    expect(any(row["valid_loss"] for row in rows), "nothing was measured on the validation file")
    return rows


# 3. The model.


def answered(client, model, messages):
    """The answer, once the model is released and served."""
    # The waiting is done here.
    once = client.with_options(max_retries=0)

    def look():
        try:
            return once.chat.completions.create(model=model, messages=messages, temperature=0, max_tokens=500)
        # Not released yet, and released but not served yet.
        except (openai.NotFoundError, openai.InternalServerError) as error:
            expect(error.code in ("model_not_found", "model_not_deployed"), error)
            return None

    return until("an answer of the model", look)


def main():
    client = OpenAI()
    with tempfile.TemporaryDirectory() as folder:
        training, validation = (pathlib.Path(folder, f"days-{part}.jsonl") for part in ("train", "validation"))
        write_jsonl(training, range(42))
        write_jsonl(validation, range(100, 114))
        training_file_id = upload(client, training)
        validation_file_id = upload(client, validation)

    response = client.fine_tuning.jobs.create(
        training_file=training_file_id,
        validation_file=validation_file_id,
        model=os.environ["BASE_MODEL"],
        suffix="days",
    )
    job_id = response.id
    print("job", job_id, flush=True)

    response = client.fine_tuning.jobs.retrieve(job_id)
    expect(response.id == job_id and response.training_file == training_file_id, response)
    print("status", response.status, flush=True)
    show_events(client, job_id)

    response = ended(client, job_id)
    show_events(client, job_id)
    fine_tuned_model_id = response.fine_tuned_model
    expect(fine_tuned_model_id, response)
    rows = figures(client, response.result_files[0])
    print(f"steps {len(rows)}, {response.trained_tokens} tokens", flush=True)
    print("tuned", fine_tuned_model_id, flush=True)

    answer = answered(client, fine_tuned_model_id, question(7))
    choice = answer.choices[0]
    expect(choice.message.role == "assistant" and isinstance(choice.message.content, str), choice)
    expect(choice.finish_reason in ("stop", "length"), choice)
    expect(answer.model == fine_tuned_model_id, answer.model)
    expect(answer.usage.total_tokens >= answer.usage.prompt_tokens > 0, answer.usage)
    print("answer", json.dumps(choice.message.content), flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (CheckFailed, openai.OpenAIError) as failure:
        print(f"failed: {type(failure).__name__}: {failure}", file=sys.stderr)
        sys.exit(1)
