#!/usr/bin/env python3
"""Checks an OpenAI-compatible fine-tuning API with the stock `openai` Python SDK (1.x, 2.x and 3.x).

Settings come from the environment, so that no key shows in a list of processes:

    OPENAI_BASE_URL   the endpoint, ending in /v1
    OPENAI_API_KEY    a key of a manager that may fine-tune, with a few requests a minute
    BASE_MODEL        the model to start from, which is served
    TRAINING_FILE     a file of chats

Prints `waiting JOB DATASET...` when people have to decide on these datasets, and goes on by itself once they have. One line
`ok ...` for each check; ends with 1 at the first that fails.
"""

import csv
import io
import json
import os
import sys
import time

import openai

PATIENCE_SECONDS = 240
SMALL = {"gptnl": {"lora": {"rank": 4}, "sequence_length": 64}}
OVER = ("succeeded", "failed", "cancelled")


class CheckFailed(Exception):
    """A check did not hold; the text says what was seen."""


def expect(holds, seen):
    """Unlike `assert`, this still checks under `python -O`."""
    if not holds:
        raise CheckFailed(seen)


def error_of(kind, code, call):
    try:
        call()
    except openai.APIStatusError as error:
        expect(type(error) is kind, f"{type(error).__name__} instead of {kind.__name__}: {error}")
        expect(error.code == code, f"code {error.code!r} instead of {code!r}")
        expect(error.request_id, "the error has no request id")
        return error
    raise CheckFailed(f"no error instead of {kind.__name__}")


def ok(text):
    print(f"ok {text}", flush=True)


def until(what, look, holds):
    begun = time.monotonic()
    while True:
        seen = look()
        if holds(seen):
            return seen
        expect(time.monotonic() - begun < PATIENCE_SECONDS, f"{what} did not come about: {seen}")
        time.sleep(0.3)


def lines(entries):
    return "".join(json.dumps(entry) + "\n" for entry in entries).encode()


def said(role, content):
    return {"role": role, "content": content}


def chats(count):
    return lines(
        {"messages": [said("user", f"vraag {n}"), said("assistant", f"het archief is open op dag {n}")]}
        for n in range(count)
    )


def pairs(count):
    return lines(
        {
            "input": {"messages": [said("user", f"vraag {n}")]},
            "preferred_output": [said("assistant", f"het archief is open op dag {n}")],
            "non_preferred_output": [said("assistant", "geen idee")],
        }
        for n in range(count)
    )


def sent_whole(client, name, data):
    """A file that was sent in one request and read."""
    sent = client.files.create(file=(name, data), purpose="fine-tune")
    sent = client.files.wait_for_processing(sent.id, poll_interval=0.3)
    expect(sent.status == "processed" and sent.filename == name, sent)
    return sent


def dataset_of(file):
    return file.model_extra["gptnl"]["dataset"]


def approvals(job):
    """Whose decisions a job waits for."""
    every = job.model_extra["gptnl"]["approvals"]
    return [approval["role"] for approval in every if approval["decision"] is None]


def wait_for_people(client, job, files):
    """Says which datasets people have to decide on; goes on once they have."""

    def look():
        return client.fine_tuning.jobs.retrieve(job.id)

    waiting = until("waiting for people", look, lambda one: one.status == "queued")
    expect("permission" in approvals(waiting), approvals(waiting))
    print("waiting", job.id, *(dataset_of(file) for file in files), flush=True)
    # The computing time may be granted between two looks.
    until("the decision on the data", look, lambda one: set(approvals(one)) <= {"compute"})


def ended(client, job):
    def look():
        return client.fine_tuning.jobs.retrieve(job.id)

    done = until("the end", look, lambda one: one.status in OVER)
    expect(done.status == "succeeded", done)
    return done


def files(client, path):
    """The lines of OpenAI's guide, and what else a file goes through; answers a file to learn from."""
    with open(path, "rb") as whole:
        data = whole.read()
    sent = client.files.create(file=open(path, "rb"), purpose="fine-tune")
    expect(sent.object == "file" and sent.id.startswith("file-"), sent)
    sent = client.files.wait_for_processing(sent.id, poll_interval=0.3)
    expect(sent.status == "processed", sent)
    expect(client.files.retrieve(sent.id).bytes == len(data), "another size")
    ok("files.create, wait_for_processing, retrieve")

    upload = client.uploads.upload_file_chunked(
        file=path, mime_type="application/jsonl", purpose="fine-tune", part_size=1500
    )
    expect(upload.status == "completed" and upload.file is not None, upload)
    chunked = client.files.wait_for_processing(upload.file.id, poll_interval=0.3)
    expect(chunked.status == "processed", chunked)
    ok("uploads.upload_file_chunked")

    opened = client.uploads.create(
        bytes=len(data), filename="given-up.jsonl", mime_type="application/jsonl", purpose="fine-tune"
    )
    part = client.uploads.parts.create(upload_id=opened.id, data=data[:1500])
    given_up = client.uploads.cancel(opened.id)
    expect(given_up.id == opened.id and given_up.status == "cancelled", given_up)
    expect(given_up.file is None, given_up)
    for late in (
        lambda: client.uploads.parts.create(upload_id=opened.id, data=data[1500:]),
        lambda: client.uploads.complete(upload_id=opened.id, part_ids=[part.id]),
    ):
        error_of(openai.BadRequestError, "invalid_upload_state", late)
    ok("uploads.cancel: no part and no file comes of it")

    listed = [one.id for one in client.files.list(limit=1)]
    # Newest first; the institution may have others.
    expect(listed[:2] == [chunked.id, sent.id], listed)
    ok("files.list over two pages")

    expect(client.files.content(sent.id).read() == data, "other bytes by the redirect")
    ok("files.content by a redirect")

    deleted = client.files.delete(chunked.id)
    expect(deleted.deleted and deleted.object == "file", deleted)
    error_of(openai.NotFoundError, "not_found", lambda: client.files.retrieve(chunked.id))
    ok("files.delete")
    return sent


def leave(client, checkpoint, organization):
    """Leave to use a checkpoint is given, listed page by page and taken back."""
    permissions = client.fine_tuning.checkpoints.permissions
    # Two names of the institution's own project.
    names = [organization, organization.replace("org-", "proj_", 1)]
    given = list(permissions.create(checkpoint, project_ids=names))
    expect(sorted(one.project_id for one in given) == sorted(names), given)
    expect(all(one.object == "checkpoint.permission" for one in given), given)
    again = list(permissions.create(checkpoint, project_ids=names))
    expect({one.id for one in again} == {one.id for one in given}, again)

    def listed(**asked):
        # 1.x has one page of it, under another name.
        if hasattr(permissions, "list"):
            return list(permissions.list(checkpoint, **asked))
        page = permissions.retrieve(checkpoint, **asked)
        expect(page.object == "list", page)
        return list(page.data)

    expect({one.id for one in listed()} == {one.id for one in given}, listed())
    if hasattr(permissions, "list"):
        walked = [one.id for one in listed(limit=1)]
        expect(sorted(walked) == sorted(one.id for one in given), walked)
    of_one = listed(project_id=organization)
    expect([one.project_id for one in of_one] == [organization], of_one)

    gone = of_one[0].id
    deleted = permissions.delete(gone, fine_tuned_model_checkpoint=checkpoint)
    expect(deleted.deleted and deleted.id == gone, deleted)
    error_of(
        openai.NotFoundError,
        "not_found",
        lambda: permissions.delete(gone, fine_tuned_model_checkpoint=checkpoint),
    )
    expect([one.project_id for one in listed()] == names[1:], listed())
    error_of(
        openai.PermissionDeniedError,
        "project_not_permitted",
        lambda: permissions.create(checkpoint, project_ids=["proj_" + "0" * 32]),
    )
    absent = checkpoint.rsplit("-", 1)[0] + "-999999"
    error_of(openai.NotFoundError, "not_found", lambda: permissions.create(absent, project_ids=names))
    ok(f"fine_tuning.checkpoints.permissions.create, list, delete of {checkpoint}")


def pause(client, job):
    """Pauses a job that runs, gives leave for the checkpoint that it kept, and lets it go on."""
    jobs = client.fine_tuning.jobs

    def steps():
        newest = jobs.list_events(job.id, limit=20).data
        return [event for event in newest if event.type == "metrics"]

    def look():
        return jobs.retrieve(job.id)

    until("the first steps", steps, lambda seen: len(seen) > 2)
    jobs.pause(job.id)
    rests = until("the pause", look, lambda one: one.model_extra["gptnl"]["phase"] == "paused")
    expect(rests.status == "queued", rests)
    error_of(openai.BadRequestError, "invalid_job_state", lambda: jobs.pause(job.id))
    kept = jobs.checkpoints.list(job.id).data
    expect(kept and kept[0].step_number > 0, kept)
    leave(client, kept[0].fine_tuned_model_checkpoint, rests.organization_id)
    resumed = jobs.resume(job.id)
    expect(resumed.status in ("queued", "running"), resumed)
    ok(f"fine_tuning.jobs.pause at step {kept[0].step_number}, resume")


def events(client, job):
    last = "The job has successfully completed"
    until(
        "the last event",
        lambda: client.fine_tuning.jobs.list_events(job.id, limit=1).data[0].message,
        lambda message: message == last,
    )
    told = list(client.fine_tuning.jobs.list_events(job.id, limit=4))
    expect(len(told) > 8, f"{len(told)} events")
    expect(len({event.id for event in told}) == len(told), "an event stands twice")
    times = [event.created_at for event in told]
    expect(times == sorted(times, reverse=True), "not newest first")
    expect(told[-1].message == f"Created fine-tuning job: {job.id}", told[-1])
    metrics = [event for event in told if event.type == "metrics"]
    expect(metrics and all("step" in event.data for event in metrics), metrics)
    expect(any("valid_loss" in event.data for event in metrics), "no figure of the validation file")
    ok(f"fine_tuning.jobs.list_events: {len(told)} over pages of 4")


def table(client, done):
    """The rows of a job's result file."""
    text = client.files.content(done.result_files[0]).text
    expect(text.startswith("step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n1,"), text)
    expect(client.files.retrieve(done.result_files[0]).purpose == "fine-tune-results", "another purpose")
    listed = [file.id for file in client.files.list(purpose="fine-tune-results")]
    expect(done.result_files[0] in listed, listed)
    rows = list(csv.DictReader(io.StringIO(text)))
    losses = [float(row["train_loss"]) for row in rows if row["train_loss"]]
    expect(losses and min(losses) > 0, text)
    return rows


def supervised(client, model, sent):
    """A job on chats that is measured on a file of its own, paused and resumed on its way."""
    jobs = client.fine_tuning.jobs
    measured_on = sent_whole(client, "kept-apart.jsonl", chats(12))
    job = jobs.create(
        model=model,
        training_file=sent.id,
        validation_file=measured_on.id,
        suffix="sdk",
        seed=7,
        metadata={"sdk": openai.__version__},
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 50}}},
        extra_body=SMALL,
    )
    expect(job.status in ("validating_files", "queued"), job)
    expect(job.seed == 7 and job.metadata == {"sdk": openai.__version__}, job)
    expect(job.method.supervised.hyperparameters.n_epochs == 50, job.method)
    expect(job.validation_file == measured_on.id, job)
    found = jobs.list(limit=1, extra_query={"metadata[sdk]": openai.__version__})
    expect([one.id for one in found.data] == [job.id], found)
    ok("fine_tuning.jobs.create with a validation_file, list")

    wait_for_people(client, job, [sent, measured_on])
    ok("queued with gptnl.approvals")

    other = jobs.create(model=model, training_file=sent.id, hyperparameters={"n_epochs": 1})
    expect(jobs.cancel(other.id).status == "cancelled", "not cancelled")
    error_of(openai.BadRequestError, "invalid_job_state", lambda: jobs.cancel(other.id))
    ok("fine_tuning.jobs.cancel")

    pause(client, job)
    done = ended(client, job)
    expect(done.fine_tuned_model.startswith(f"ft:{model}:"), done.fine_tuned_model)
    expect(":sdk:" in done.fine_tuned_model, done.fine_tuned_model)
    ok(f"succeeded: {done.fine_tuned_model}")

    events(client, job)
    checkpoints = list(jobs.checkpoints.list(job.id, limit=1))
    for checkpoint in checkpoints:
        expect(f":ckpt-step-{checkpoint.step_number}" in checkpoint.fine_tuned_model_checkpoint, checkpoint)
    ok(f"fine_tuning.jobs.checkpoints.list: {len(checkpoints)}")

    rows = table(client, done)
    expect(any(row["valid_loss"] for row in rows), "nothing was measured on the validation file")
    ok(f"result file of {len(rows)} steps")


def preferences(client, model):
    """A job that learns which of two answers is better."""
    sent = sent_whole(client, "pairs.jsonl", pairs(24))
    settings = {"n_epochs": 2, "beta": 0.2}
    job = client.fine_tuning.jobs.create(
        model=model,
        training_file=sent.id,
        suffix="pairs",
        method={"type": "dpo", "dpo": {"hyperparameters": settings}},
        extra_body=SMALL,
    )
    expect(job.method.type == "dpo" and job.method.supervised is None, job.method)
    expect(job.method.dpo.hyperparameters.beta == 0.2, job.method)
    wait_for_people(client, job, [sent])
    done = ended(client, job)
    expect(":pairs:" in done.fine_tuned_model, done.fine_tuned_model)
    learnt = done.method.dpo.hyperparameters
    expect(learnt.n_epochs == 2 and learnt.beta == 0.2, learnt)
    # "auto" until the data were decided on.
    expect(learnt.batch_size == 4 and done.trained_tokens > 0, done)
    rows = table(client, done)
    ok(f"dpo: {done.fine_tuned_model} after {len(rows)} steps")


def too_many(client, model):
    """The key's own limit of requests a minute, as the SDK's own error."""
    # Not sent again by itself.
    once = client.with_options(max_retries=0)

    def refusal():
        try:
            once.chat.completions.create(model=model, messages=[said("user", "vraag 1")], max_tokens=1)
        except openai.RateLimitError as error:
            return error
        return None

    refused = until("the limit", refusal, lambda error: error is not None)
    expect(refused.code == "rate_limit_exceeded", refused)
    expect(refused.status_code == 429 and refused.request_id, refused)
    expect(0 < int(refused.response.headers["retry-after"]) <= 60, refused.response.headers)
    ok("RateLimitError")


def errors(client, model, sent):
    jobs = client.fine_tuning.jobs
    error_of(openai.NotFoundError, "not_found", lambda: jobs.retrieve("ftjob-none"))
    error_of(openai.NotFoundError, "model_not_found", lambda: jobs.create(model="gpt-4o", training_file=sent.id))
    error_of(
        openai.BadRequestError,
        "unsupported_method",
        lambda: jobs.create(
            model=model, training_file=sent.id, method={"type": "reinforcement", "reinforcement": {"grader": {}}}
        ),
    )
    ok("errors")


def main():
    client = openai.OpenAI(timeout=60.0)
    model = os.environ["BASE_MODEL"]
    sent = files(client, os.environ["TRAINING_FILE"])
    supervised(client, model, sent)
    preferences(client, model)
    errors(client, model, sent)
    too_many(client, model)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (CheckFailed, openai.OpenAIError) as failure:
        print(f"failed: {type(failure).__name__}: {failure}", file=sys.stderr)
        sys.exit(1)
