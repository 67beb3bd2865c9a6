#!/usr/bin/env python3
"""Checks an OpenAI-compatible fine-tuning API with the stock `openai` Python SDK (1.x, 2.x and 3.x).

Settings come from the environment, so that no key shows in a list of processes:

    OPENAI_BASE_URL   the endpoint, ending in /v1
    OPENAI_API_KEY    a key that may fine-tune
    BASE_MODEL        the model to start from
    TRAINING_FILE     a file of chats

Prints `waiting JOB DATASET` when people have to decide, and goes on by itself once they have. One line `ok ...` for each
check; ends with 1 at the first that fails.
"""

import os
import sys
import time

import openai

PATIENCE_SECONDS = 240


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
        return
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


def main():
    client = openai.OpenAI(timeout=60.0)
    model, path = os.environ["BASE_MODEL"], os.environ["TRAINING_FILE"]

    # The lines of OpenAI's guide.
    sent = client.files.create(file=open(path, "rb"), purpose="fine-tune")
    expect(sent.object == "file" and sent.id.startswith("file-"), sent)
    sent = client.files.wait_for_processing(sent.id, poll_interval=0.3)
    expect(sent.status == "processed", sent)
    expect(client.files.retrieve(sent.id).bytes == os.path.getsize(path), "another size")
    ok("files.create, wait_for_processing, retrieve")

    upload = client.uploads.upload_file_chunked(
        file=path, mime_type="application/jsonl", purpose="fine-tune", part_size=1500
    )
    expect(upload.status == "completed" and upload.file is not None, upload)
    chunked = client.files.wait_for_processing(upload.file.id, poll_interval=0.3)
    expect(chunked.status == "processed", chunked)
    ok("uploads.upload_file_chunked")

    listed = [one.id for one in client.files.list(limit=1)]
    # Newest first; the institution may have others.
    expect(listed[:2] == [chunked.id, sent.id], listed)
    ok("files.list over two pages")

    with open(path, "rb") as whole:
        expect(client.files.content(sent.id).read() == whole.read(), "other bytes by the redirect")
    ok("files.content by a redirect")

    deleted = client.files.delete(chunked.id)
    expect(deleted.deleted and deleted.object == "file", deleted)
    error_of(openai.NotFoundError, "not_found", lambda: client.files.retrieve(chunked.id))
    ok("files.delete")

    job = client.fine_tuning.jobs.create(
        model=model,
        training_file=sent.id,
        suffix="sdk",
        seed=7,
        metadata={"sdk": openai.__version__},
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 50}}},
        extra_body={"gptnl": {"lora": {"rank": 4}, "sequence_length": 64}},
    )
    expect(job.status in ("validating_files", "queued"), job)
    expect(job.seed == 7 and job.metadata == {"sdk": openai.__version__}, job)
    expect(job.method.supervised.hyperparameters.n_epochs == 50, job.method)
    found = client.fine_tuning.jobs.list(limit=1, extra_query={"metadata[sdk]": openai.__version__})
    expect([one.id for one in found.data] == [job.id], found)
    ok("fine_tuning.jobs.create, list")

    def look():
        return client.fine_tuning.jobs.retrieve(job.id)

    def approvals(one):
        every = one.model_extra["gptnl"]["approvals"]
        return [approval["role"] for approval in every if approval["decision"] is None]

    waiting = until("waiting for people", look, lambda one: one.status == "queued")
    expect("permission" in approvals(waiting), approvals(waiting))
    print(f"waiting {job.id} {sent.model_extra['gptnl']['dataset']}", flush=True)
    # The computing time may be granted between two looks.
    until("the decision on the data", look, lambda one: set(approvals(one)) <= {"compute"})
    ok("queued with gptnl.approvals")

    other = client.fine_tuning.jobs.create(model=model, training_file=sent.id, hyperparameters={"n_epochs": 1})
    expect(client.fine_tuning.jobs.cancel(other.id).status == "cancelled", "not cancelled")
    error_of(
        openai.BadRequestError, "invalid_job_state", lambda: client.fine_tuning.jobs.cancel(other.id)
    )
    ok("fine_tuning.jobs.cancel")

    def steps():
        newest = client.fine_tuning.jobs.list_events(job.id, limit=20).data
        return [event for event in newest if event.type == "metrics"]

    until("the first steps", steps, lambda seen: len(seen) > 2)
    client.fine_tuning.jobs.pause(job.id)
    rests = until("the pause", look, lambda one: one.model_extra["gptnl"]["phase"] == "paused")
    expect(rests.status == "queued", rests)
    error_of(openai.BadRequestError, "invalid_job_state", lambda: client.fine_tuning.jobs.pause(job.id))
    kept = client.fine_tuning.jobs.checkpoints.list(job.id).data
    expect(kept and kept[0].step_number > 0, kept)
    resumed = client.fine_tuning.jobs.resume(job.id)
    expect(resumed.status in ("queued", "running"), resumed)
    ok(f"fine_tuning.jobs.pause at step {kept[0].step_number}, resume")

    done = until("the end", look, lambda one: one.status in ("succeeded", "failed", "cancelled"))
    expect(done.status == "succeeded", done)
    expect(done.fine_tuned_model.startswith(f"ft:{model}:"), done.fine_tuned_model)
    expect(":sdk:" in done.fine_tuned_model, done.fine_tuned_model)
    ok(f"succeeded: {done.fine_tuned_model}")

    last = "The job has successfully completed"
    until(
        "the last event",
        lambda: client.fine_tuning.jobs.list_events(job.id, limit=1).data[0].message,
        lambda message: message == last,
    )
    events = list(client.fine_tuning.jobs.list_events(job.id, limit=4))
    expect(len(events) > 8, f"{len(events)} events")
    expect(len({event.id for event in events}) == len(events), "an event stands twice")
    times = [event.created_at for event in events]
    expect(times == sorted(times, reverse=True), "not newest first")
    expect(events[-1].message == f"Created fine-tuning job: {job.id}", events[-1])
    metrics = [event for event in events if event.type == "metrics"]
    expect(metrics and all("step" in event.data for event in metrics), metrics)
    ok(f"fine_tuning.jobs.list_events: {len(events)} over pages of 4")

    checkpoints = list(client.fine_tuning.jobs.checkpoints.list(job.id, limit=1))
    for checkpoint in checkpoints:
        expect(f":ckpt-step-{checkpoint.step_number}" in checkpoint.fine_tuned_model_checkpoint, checkpoint)
    ok(f"fine_tuning.jobs.checkpoints.list: {len(checkpoints)}")

    table = client.files.content(done.result_files[0]).text
    expect(table.startswith("step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n1,"), table)
    expect(client.files.retrieve(done.result_files[0]).purpose == "fine-tune-results", "another purpose")
    listed = [file.id for file in client.files.list(purpose="fine-tune-results")]
    expect(done.result_files[0] in listed, listed)
    ok("result file")

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
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (CheckFailed, openai.OpenAIError) as failure:
        print(f"failed: {type(failure).__name__}: {failure}", file=sys.stderr)
        sys.exit(1)
