#!/usr/bin/env python3
"""Checks an export of the audit log without the portal and without any of its code.

    python3 verify_log.py BUNDLE.zip faculty-keys.json [OLD_CHECKPOINT]

Needs ed25519.py beside it. The keys are those you fetched from /.well-known/faculty-keys.json; an old checkpoint is one you kept. Standard library
only. Names every place that does not hold and exits with 1; docs/transparency-log.md says what is checked and why.
"""
import base64, hashlib, json, sys, zipfile
from datetime import datetime

from ed25519 import signed

# --- the tree, RFC 6962 and 9162 ---
sha = lambda data: hashlib.sha256(data).digest()
leaf = lambda data: sha(b"\0" + data)
node = lambda left, right: sha(b"\1" + left + right)

def included(index, size, hash, proof, root):
    last = size - 1
    for other in proof:
        if last == 0:
            return False
        if index & 1 or index == last:
            hash = node(other, hash)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            hash = node(hash, other)
        index, last = index >> 1, last >> 1
    return 0 <= index and last == 0 and hash == root

def continues(old, new, old_root, root, proof):
    if old == 0 or old == new:
        return not proof and (old == 0 or old_root == root)
    proof = ([old_root] if old & (old - 1) == 0 else []) + proof
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    if old > new or not proof:
        return False
    first = second = proof[0]
    for other in proof[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            first, second = node(other, first), node(other, second)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            second = node(second, other)
        at, last = at >> 1, last >> 1
    return last == 0 and first == old_root and second == root

def root_of(hashes):
    peaks = []  # (leaves, hash) of the perfect trees so far
    for hash in hashes:
        peaks.append((1, hash))
        while len(peaks) > 1 and peaks[-1][0] == peaks[-2][0]:
            (_, right), (count, left) = peaks.pop(), peaks.pop()
            peaks.append((count * 2, node(left, right)))
    root = peaks.pop()[1] if peaks else sha(b"")
    for _, left in reversed(peaks):
        root = node(left, root)
    return root

# --- what is signed: notes (C2SP signed-note, checkpoints too) and DSSE envelopes ---
unbase = lambda text: base64.b64decode(text, validate=True)
time = lambda text: datetime.fromisoformat(text.replace("Z", "+00:00"))

def holds_at(key, at):
    late = [key[name] for name in ("valid_until", "revoked_at") if key.get(name)]
    return (not key.get("valid_from") or time(key["valid_from"]) <= at) and all(at < time(end) for end in late)

def note(text, origin, keys):
    body, line = text.rsplit("\n\n", 1)
    name, blob = line.removeprefix("\u2014 ").removesuffix("\n").split(" ")
    body, blob = (body + "\n").encode(), unbase(blob)
    at = next(time(line[5:]) for line in body.decode().split("\n") if line.startswith("time "))
    for key in keys:
        raw = bytes.fromhex(key["public_key"])
        if sha(origin.encode() + b"\n\1" + raw)[:4] == blob[:4] and holds_at(key, at) and signed(raw, body, blob[4:]):
            if name == origin and line == "\u2014 %s %s\n" % (name, base64.b64encode(blob).decode()):
                return body.decode().split("\n")
    raise ValueError("no signature by a published key holds")

def checkpoint(text, origin, keys):
    lines = note(text, origin, keys)
    if lines[0] != origin:
        raise ValueError("it is of another log")
    return int(lines[1]), unbase(lines[2])

def envelope(text, keys, kind, logged):
    """Checks one document; `logged` answers from the payload when it was signed."""
    said = json.loads(text)
    body, name = unbase(said["payload"]), said["payloadType"].encode()
    if name != kind:
        raise ValueError("it is of another kind")
    at = logged(body)
    data = b"DSSEv1 %d %s %d %s" % (len(name), name, len(body), body)
    for signature in said["signatures"]:
        key = next((key for key in keys if key["keyid"] == signature["keyid"] and holds_at(key, at)), None)
        if key is None or not signed(bytes.fromhex(key["public_key"]), data, unbase(signature["sig"])):
            raise ValueError("no signature by a key that held then")
    return bool(said["signatures"])

def main(path, keys_path, kept=None):
    with open(keys_path, encoding="utf-8") as file:
        keys = json.load(file)["keys"]
    wrong = []
    def check(place, test):
        try:
            if test() is False:
                wrong.append(place + ": it does not hold")
        except Exception as error:  # whatever is wrong with a file, the rest is still looked at
            wrong.append(f"{place}: {error}")
    files = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            check(name, lambda: name not in files and not files.update({name: archive.read(name)}))
    jsonl = lambda name: [json.loads(line) for line in files[name].decode().splitlines()]
    about = {"origin": "", "institution": None, "size": -1}
    check("bundle.json", lambda: about.update(json.loads(files["bundle.json"])))
    origin = about["origin"]
    check("MANIFEST", lambda: note(files["MANIFEST"].decode(), origin, keys)[0] == "faculty audit bundle v1")
    named = {"MANIFEST"}
    for line in files.get("MANIFEST", b"").decode(errors="replace").split("\n"):
        hash, _, name = line.partition("  ")
        if name:
            named.add(name)
            check(name, lambda: hashlib.sha256(files[name]).hexdigest() == hash)
    wrong.extend(f"{name}: the manifest does not name it" for name in files.keys() - named)
    size, root, last, roots = 0, sha(b""), None, {}
    def step(line):
        nonlocal size, root, last
        old, before = size, root
        named = [text[7:] for text in line["note"].split("\n\n")[0].split("\n") if text.startswith("before ")]
        if named != ([base64.b64encode(sha(last.encode())).decode()] if last else []):
            check("checkpoints.jsonl", lambda: False)
        last = line["note"]
        size, root = checkpoint(line["note"], origin, keys)
        roots[size] = root
        return continues(old, size, before, root, [unbase(hash) for hash in line["consistency"]])
    check("checkpoints.jsonl", lambda: [check(f"checkpoints.jsonl, line {number}", lambda: step(line))
                                        for number, line in enumerate(jsonl("checkpoints.jsonl"), 1)])
    check("checkpoints.jsonl", lambda: size == about["size"])
    if kept:
        with open(kept, encoding="utf-8") as file:
            text = file.read()
        check("the checkpoint that was kept", lambda: (lambda old, hash: roots.get(old) == hash)(*checkpoint(text, origin, keys)))
    events, logged = files.get("events.jsonl", b"").split(b"\n")[:-1], {}
    check("events.jsonl", lambda: len(events) == about["events"])
    def line_holds(line, number, proof):
        said = json.loads(line)
        held = said["seq"] == number and about["institution"] in (None, said["institution"]) and (proof is None or included(
            number - 1, size, leaf(line), [unbase(hash) for hash in proof["proof"]], root))
        if held:  # what a proven line says of documents: the hash of each, with the model or the time
            said["kind"] == "models.registered" and logged.update({said["subject"]: said["payload"].get("receipt_sha256")})
            said["kind"] == "ledger.statement_made" and logged.update({said["payload"]["body_sha256"]: time(said["at"])})
        return held
    if about["institution"] is None:
        check("events.jsonl", lambda: len(events) == size and root_of(map(leaf, events)) == root)
        for number, line in enumerate(events, 1):
            check(f"events.jsonl, line {number}", lambda: line_holds(line, number, None))
    else:
        proofs = []
        check("proofs.jsonl", lambda: proofs.extend(jsonl("proofs.jsonl")))
        check("proofs.jsonl", lambda: len(proofs) == len(events))
        for number, (line, proof) in enumerate(zip(events, proofs), 1):
            check(f"events.jsonl, line {number}", lambda: line_holds(line, proof["seq"], proof))
    def receipt_time(name, body):
        known = logged.get(name[9:-5], hashlib.sha256(body).hexdigest())  # the line may be in another's bundle
        if known != hashlib.sha256(body).hexdigest():
            raise ValueError("the log tells of another receipt")
        return time(json.loads(body)["predicate"]["runDetails"]["metadata"]["finishedOn"])
    documents = [name for name in files if name.startswith(("receipts/", "statements/"))]
    for name in documents:
        if name.startswith("receipts/"):
            check(name, lambda: envelope(files[name], keys, b"application/vnd.in-toto+json", lambda body: receipt_time(name, body)))
        else:
            check(name, lambda: envelope(files[name], keys, b"application/vnd.virtual-faculty.statement+json",
                                         lambda body: logged[hashlib.sha256(body).hexdigest()]))
    for name, text, hash in (("permissions", "terms", "terms_sha256"), ("policies", "canonical", "sha256")):
        check(f"{name}.jsonl", lambda: all(hashlib.sha256(line[text].encode()).hexdigest() == line[hash]
                                           for line in jsonl(f"{name}.jsonl")))
    check("verdicts.jsonl", lambda: {line["policy_sha256"] for line in jsonl("verdicts.jsonl")}
          <= {line["sha256"] for line in jsonl("policies.jsonl")})
    print("\n".join(wrong) or f"{origin}: {len(events)} lines, {len(roots)} checkpoints and {len(documents)} documents hold")
    return 1 if wrong else 0

if __name__ == "__main__":
    if not 3 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
