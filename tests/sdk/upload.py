#!/usr/bin/env python3
"""Sends a file in parts with the stock `openai` SDK while somebody kills the endpoint again and again.

Settings as in tune.py; no BASE_MODEL. Says what it is about to send, and `ok` once there is one file with the right bytes.
"""

import hashlib
import os
import sys

import openai

PART_BYTES = 1000


class CheckFailed(Exception):
    """A check did not hold; the text says what was seen."""


def expect(holds, seen):
    if not holds:
        raise CheckFailed(seen)


def main():
    # A portal that starts again takes a few seconds; the rest is the SDK's own way of trying again.
    client = openai.OpenAI(timeout=60.0, max_retries=10)
    path = os.environ["TRAINING_FILE"]
    name = os.path.basename(path)
    with open(path, "rb") as file:
        data = file.read()
    upload = client.uploads.create(
        bytes=len(data), filename=name, mime_type="application/jsonl", purpose="fine-tune"
    )
    parts = []
    for start in range(0, len(data), PART_BYTES):
        print(f"part {len(parts)}", flush=True)
        sent = client.uploads.parts.create(upload_id=upload.id, data=data[start : start + PART_BYTES])
        parts.append(sent.id)
    print("completing", flush=True)
    done = client.uploads.complete(
        upload_id=upload.id, part_ids=parts, md5=hashlib.md5(data).hexdigest()
    )
    expect(done.status == "completed" and done.file is not None, done)
    file = client.files.wait_for_processing(done.file.id, poll_interval=0.3)
    expect(file.status == "processed", file)
    expect(client.files.content(file.id).read() == data, "other bytes")
    listed = [one.id for one in client.files.list(limit=100) if one.filename == name]
    expect(listed == [file.id], listed)
    print("ok", flush=True)


if __name__ == "__main__":
    try:
        main()
    except CheckFailed as failed:
        print(f"FAILED {failed}", flush=True)
        sys.exit(1)
