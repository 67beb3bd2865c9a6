#!/usr/bin/env python3
"""Checks an export of the audit log without the portal and without any of its code.

    python3 verify_log.py BUNDLE.zip faculty-keys.json [OLD_CHECKPOINT]

The keys are those you fetched from /.well-known/faculty-keys.json; an old checkpoint is one you kept. Standard library
only. Names every place that does not hold and exits with 1; docs/transparency-log.md says what is checked and why.
"""
import base64, hashlib, json, sys, zipfile
from datetime import datetime

# --- Ed25519, RFC 8032 (points in extended coordinates; slow, and short enough to read) ---
P, Q = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P

def add(a, b):
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = f - e, h - g, h + g, f + e
    return e * f % P, g * h % P, f * g % P, e * h % P

def times(n, point):
    out = (0, 1, 1, 0)
    while n:
        if n & 1:
            out = add(out, point)
        point, n = add(point, point), n >> 1
    return out

def point(raw):
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or x * x % P != square or (x == 0 and sign):
        raise ValueError("no point of the curve")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P

BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))

def signed(key, message, signature):
    try:
        a, r = point(key), point(signature[:32])
    except ValueError:
        return False
    s = int.from_bytes(signature[32:], "little")
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % Q
    left, right = times(s, BASE), add(r, times(h, a))
    same = all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))
    return len(signature) == 64 and s < Q and same

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

def envelope(text, keys):
    said = json.loads(text)
    body, kind = unbase(said["payload"]), said["payloadType"].encode()
    data = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)
    for signature in said["signatures"]:
        key = next((key for key in keys if key["keyid"] == signature["keyid"]), None)
        if key is None or not signed(bytes.fromhex(key["public_key"]), data, unbase(signature["sig"])):
            raise ValueError("the signature does not hold")
    if not said["signatures"]:
        raise ValueError("it is not signed")

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
            check(name, lambda: files.update({name: archive.read(name)}))
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
    size, root, roots = 0, sha(b""), {}
    def step(line):
        nonlocal size, root
        old, before = size, root
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
    events = files.get("events.jsonl", b"").split(b"\n")[:-1]
    if about["institution"] is None:
        check("events.jsonl", lambda: len(events) == size and root_of(map(leaf, events)) == root)
        for number, line in enumerate(events, 1):
            check(f"events.jsonl, line {number}", lambda: json.loads(line)["seq"] == number)
    else:
        proofs = []
        check("proofs.jsonl", lambda: proofs.extend(jsonl("proofs.jsonl")))
        check("proofs.jsonl", lambda: len(proofs) == len(events))
        for number, (line, proof) in enumerate(zip(events, proofs), 1):
            check(f"events.jsonl, line {number}", lambda: json.loads(line)["seq"] == proof["seq"] and included(
                proof["seq"] - 1, size, leaf(line), [unbase(hash) for hash in proof["proof"]], root))
    documents = [name for name in files if name.startswith(("receipts/", "statements/"))]
    for name in documents:
        check(name, lambda: envelope(files[name], keys))
    check("permissions.jsonl", lambda: all(hashlib.sha256(line["terms"].encode()).hexdigest() == line["terms_sha256"]
                                           for line in jsonl("permissions.jsonl")))
    print("\n".join(wrong) or f"{origin}: {len(events)} lines, {len(roots)} checkpoints and {len(documents)} documents hold")
    return 1 if wrong else 0

if __name__ == "__main__":
    if not 3 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
