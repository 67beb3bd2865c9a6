#!/usr/bin/env python3
"""Checks the demo data: form, size, duplicates, the facts of the questions, and each fault that bad/README.md names.

Needs nothing but Python 3.9 or newer. Prints a line for each file and ends with 1 when something is wrong.
"""

import csv
import io
import json
import re
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
CLOSE = " Wij helpen u graag."
MOST_CHARACTERS = 350
WORDS = range(15, 61)
CORE_FACTS, PHRASINGS, SINGLES = 36, 6, 90

problems = []


def check(holds, problem):
    if not holds:
        problems.append(problem)


def pairs_of(name):
    """The (question, answer) pairs of a chat file; notes each line that is not one."""
    text = (HERE / name).read_bytes().decode("utf-8")
    check(text.endswith("\n") and "\r" not in text, f"{name}: lines must end in one line feed")
    pairs = []
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{name}:{number}"
        try:
            value = json.loads(line)
        except ValueError as error:
            problems.append(f"{where}: no JSON: {error}")
            continue
        roles = [message.get("role") for message in value.get("messages", [])]
        if list(value) != ["messages"] or roles != ["user", "assistant"]:
            problems.append(f"{where}: not one question and one answer")
            continue
        pairs.append((value["messages"][0]["content"], value["messages"][1]["content"]))
    return pairs


def check_data_set():
    name = "archief-waterland.jsonl"
    pairs = pairs_of(name)
    check(len(pairs) == CORE_FACTS * PHRASINGS + SINGLES, f"{name}: {len(pairs)} pairs")
    for question, count in Counter(question.casefold() for question, _ in pairs).items():
        check(count == 1, f"{name}: {count} times: {question}")
    for question, answer in pairs:
        check(len(question) + len(answer) <= MOST_CHARACTERS, f"{name}: too long: {question}")
        check(len(answer.split()) in WORDS, f"{name}: {len(answer.split())} words: {question}")
        check(answer.endswith(CLOSE), f"{name}: no close: {question}")
        check(question[-1] in "?.", f"{name}: no question: {question}")
        for text in (question, answer):
            check(text == text.strip() and "  " not in text, f"{name}: stray space: {text}")
            unknown = re.findall(r"[^A-Za-z0-9 .,:;?'*()@€éëïóêèöü-]", text)
            check(not unknown, f"{name}: unexpected signs {unknown}: {text}")
            for found in re.findall(r"\S+@\S+", text):
                check(found.rstrip(".").endswith(".example"), f"{name}: address outside .example: {text}")
            for found in re.findall(r"\b\d{3}-\d\d", text):
                check(found.startswith("000-"), f"{name}: number outside 000-: {text}")
    return pairs


def check_questions(pairs):
    name = "questions.json"
    questions = json.loads((HERE / name).read_text(encoding="utf-8"))
    asked = {question.casefold() for question, _ in pairs}
    check(len(questions) == 6, f"{name}: {len(questions)} questions")
    for entry in questions:
        check(entry["question"].casefold() not in asked, f"{name}: trained on: {entry['question']}")
        holding = [answer for _, answer in pairs if all(fact in answer for fact in entry["facts"])]
        check(len(holding) >= 3, f"{name}: {len(holding)} answers hold the facts of {entry['id']}")


def check_declaration():
    documents = (HERE / "uvrm.txt").read_text(encoding="utf-8").strip().split("\n\n")
    heads = [document.split("\n")[0] for document in documents]
    check(heads[1:] == [f"Artikel {number}" for number in range(1, 31)], "uvrm.txt: articles missing or out of order")
    check(not re.search(r"[<>&]", "".join(documents)), "uvrm.txt: left-over HTML")


def bad_json_lines(name):
    bad = []
    for number, line in enumerate((HERE / "bad" / name).read_text(encoding="utf-8").splitlines(), 1):
        try:
            roles = [message["role"] for message in json.loads(line)["messages"]]
        except ValueError:
            bad.append((number, "no JSON"))
            continue
        if roles != ["user", "assistant"]:
            bad.append((number, roles[-1]))
    return bad


def uneven_csv_lines(name):
    text = (HERE / "bad" / name).read_text(encoding="utf-8")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    width = len(next(reader))
    return [reader.line_num for record in reader if len(record) != width]


def utf8_error(name):
    data = (HERE / "bad" / name).read_bytes()
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start, data.count(b"\n", 0, error.start) + 1
    return None


def check_bad_files():
    expected = (
        ("small.jsonl", bad_json_lines, []),
        ("broken-line-3.jsonl", bad_json_lines, [(3, "no JSON")]),
        ("unknown-role.jsonl", bad_json_lines, [(4, "robot")]),
        ("good.csv", uneven_csv_lines, []),
        ("bad.csv", uneven_csv_lines, [3, 5]),
        ("good.txt", utf8_error, None),
        ("latin1.txt", utf8_error, (46, 2)),
        ("not-a-text.jsonl", utf8_error, (0, 1)),
    )
    for name, measure, wanted in expected:
        seen = measure(name)
        check(seen == wanted, f"bad/{name}: {seen} instead of {wanted}")
    check((HERE / "bad/empty.jsonl").stat().st_size == 0, "bad/empty.jsonl: not empty")


def main():
    pairs = check_data_set()
    check_questions(pairs)
    check_declaration()
    check_bad_files()
    for problem in problems:
        print(problem, file=sys.stderr)
    characters = sum(len(question) + len(answer) for question, answer in pairs)
    print(f"{len(pairs)} pairs, {characters} characters, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
