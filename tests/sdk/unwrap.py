#!/usr/bin/env python3
"""Verifies a webhook with the stock SDK: a JSON file `{"headers": {}, "body": ""}`, the secret in OPENAI_WEBHOOK_SECRET.

Prints the type and the id of the thing it is about; ends with 1 where the SDK does not accept it.
"""

import json
import sys

import openai


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        message = json.load(file)
    client = openai.OpenAI(api_key="none", base_url="http://127.0.0.1/v1")
    event = client.webhooks.unwrap(message["body"], message["headers"])
    print(event.type, event.data.id)
    changed = message["body"].replace("evt_", "evt-")
    try:
        client.webhooks.unwrap(changed, message["headers"])
    except openai.InvalidWebhookSignatureError:
        return 0
    print("a changed body was accepted", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
