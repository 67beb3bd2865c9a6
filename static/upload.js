// Uploads in parts that survive a lost line, a pause and a reload; without script the form is a plain multipart POST.
//
// <form data-upload data-create-url="/api/v1/datasets/ID/uploads" data-room="BYTES" data-list="ID OF THE FILE LIST">
//   contains <input type="file">, [data-uploads] (list), [data-live] (aria-live) and a <template> of one row.
// Texts, with {name} {done} {total} {percent} {documents} {problem} {line} {room} filled in here:
//   data-text-waiting, -preparing, -sending, -paused, -offline, -checking-parts, -verifying, -ready, -ready-documents,
//   -rejected, -line, -other-file, -too-large, -failed, -cancelled, -unfinished, and of buttons -pause, -resume, -cancel.
// An upload's state (GET /api/v1/uploads/ID) may carry `documents` (count), `problem` (text) and
// `bad_lines` ([{line, problem}]) once it is verified.

import { API, UploadPage, api, memory, percent, Refused, size, CSRF } from "./upload-page.js";

const PARTS_AT_ONCE = 4; // over all files of the page
const TRIES = 5;
const MIB = 1024 * 1024;

class Stopped extends Error {}

const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
const sha256 = (bytes) => crypto.subtle.digest("SHA-256", bytes);
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

function mimeOf(file) {
  if (file.type) return file.type;
  const ends = { jsonl: "application/jsonl", ndjson: "application/jsonl", json: "application/json", csv: "text/csv", tsv: "text/tab-separated-values", txt: "text/plain", md: "text/markdown", parquet: "application/vnd.apache.parquet" };
  return ends[file.name.split(".").at(-1).toLowerCase()] ?? "application/octet-stream";
}

const uploads = new Set();
const slots = { free: PARTS_AT_ONCE, waiting: [] };
async function inSlot(act) {
  if (slots.free > 0) slots.free -= 1;
  else await new Promise((turn) => slots.waiting.push(turn));
  try { return await act(); } finally {
    const next = slots.waiting.shift();
    if (next) next(); else slots.free += 1;
  }
}

class Upload extends EventTarget {
  constructor(page, file) {
    super();
    Object.assign(this, { page, file, id: null, isPaused: false, isStopped: false, isBusy: false });
    this.requests = new Map(); // part number -> { request, sent }
    this.doneBytes = 0;
    this.row = page.addRow(file.webkitRelativePath || file.name);
    this.row.button("pause").addEventListener("click", () => this.isPaused || !this.isBusy ? this.resume() : this.pause());
    this.row.button("cancel").addEventListener("click", () => this.cancel());
    this.row.say("waiting");
  }

  async run() {
    this.isBusy = true;
    this.turn = {};
    try {
      if (await inSlot(() => this.begin())) {
        await this.sendParts();
        await this.complete();
      }
      this.row.end("verifying");
      this.isBusy = false; // the rest goes on without this page
      await this.watch();
    } catch (error) {
      if (this.isStopped) return;
      this.turn = null; // what other parts of this file still try, ends
      this.abort();
      this.row.fail("failed", { problem: error.message });
    } finally { this.isBusy = false; }
  }

  /** Finds the upload begun before, or begins one. False where there is nothing left to send. */
  async begin() {
    const { file, page } = this;
    this.row.say("preparing");
    const ends = new Blob([file.slice(0, MIB), file.slice(Math.max(0, file.size - MIB))]);
    const fingerprint = hex(await sha256(await ends.arrayBuffer()));
    this.key = `${page.prefix}${file.name}|${file.size}|${file.lastModified}|${fingerprint}`;
    this.digests = [];
    this.doneBytes = 0;
    const saved = memory.get(this.key);
    page.forgetRow(this.key);
    if (saved) {
      const before = await this.attempt(() => api("GET", API + saved.id)).catch((error) => {
        if (error instanceof Refused && [404, 410].includes(error.status)) return null;
        throw error;
      });
      if (before && ["created", "uploading"].includes(before.state)) {
        this.id = saved.id;
        this.partSize = before.part_size;
        await this.recheck(before.done);
        return true;
      }
      if (before && ["assembling", "verifying"].includes(before.state)) {
        this.id = saved.id;
        return false;
      }
    }
    const begun = await this.attempt(() => api("POST", page.createUrl, { path: file.webkitRelativePath || file.name, size: file.size, mime: mimeOf(file), fingerprint }));
    this.id = begun.upload_id;
    this.partSize = begun.part_size;
    if (this.isStopped) { await api("DELETE", API + this.id); throw new Stopped(); }
    this.remember();
    return true;
  }

  /** Hashes again what the server has; another hash means that another file was picked. */
  async recheck(done) {
    this.row.say("checking-parts");
    for (const part of done) {
      const slice = this.slice(part.n);
      const digest = await sha256(await slice.arrayBuffer());
      if (hex(digest) !== part.sha256) throw new Error(this.page.text("other-file"));
      this.digests[part.n - 1] = digest;
      this.doneBytes += slice.size;
      if (this.isStopped) throw new Stopped();
    }
  }

  slice(n) { return this.file.slice((n - 1) * this.partSize, n * this.partSize); }
  remember() { memory.set(this.key, { id: this.id, name: this.file.name, share: this.share() }); }

  async sendParts() {
    const count = Math.max(1, Math.ceil(this.file.size / this.partSize));
    const queue = Array.from({ length: count }, (_, i) => i + 1).filter((n) => !this.digests[n - 1]);
    this.progress();
    const sender = async () => {
      for (let n = queue.shift(); n !== undefined; n = queue.shift()) {
        await this.attempt(() => inSlot(() => this.sendPart(n))).catch((error) => { queue.length = 0; throw error; });
        this.doneBytes += this.slice(n).size;
        this.remember();
        this.progress();
      }
    };
    await Promise.all(Array.from({ length: PARTS_AT_ONCE }, sender));
  }

  async sendPart(n) {
    if (this.isPaused || this.isStopped) throw new Stopped();
    const slice = this.slice(n);
    const digest = await sha256(await slice.arrayBuffer());
    const { urls } = await api("POST", `${API}${this.id}/parts:sign`, { parts: [{ n, size: slice.size, sha256: hex(digest) }] });
    await this.put(n, urls[0], slice);
    this.digests[n - 1] = digest;
  }

  put(n, target, slice) {
    return new Promise((done, fail) => {
      const url = new URL(target.url, location.href);
      const request = new XMLHttpRequest(); // fetch tells nothing while it sends
      const over = (act) => () => { this.requests.delete(n); act(); };
      request.open("PUT", url);
      for (const [name, value] of Object.entries(target.headers ?? {})) {
        if (!["host", "content-length"].includes(name.toLowerCase())) request.setRequestHeader(name, value);
      }
      if (url.origin === location.origin) request.setRequestHeader("x-csrf-token", CSRF);
      request.upload.onprogress = (event) => { const part = this.requests.get(n); if (part) { part.sent = event.loaded; this.progress(); } };
      // Every refusal of the store is worth another try with a fresh signature: 403 is a link that expired.
      request.onload = over(() => request.status < 300 ? done() : fail(new Error(`HTTP ${request.status}`)));
      request.onerror = request.onabort = request.ontimeout = over(() => fail(new Error(url.host)));
      request.timeout = 15 * 60 * 1000;
      this.requests.set(n, { request, sent: 0 });
      request.send(slice);
      if (this.isPaused || this.isStopped) request.abort();
    });
  }

  async complete() {
    const tree = hex(await sha256(await new Blob(this.digests).arrayBuffer()));
    const parts = this.digests.map((digest, i) => ({ n: i + 1, sha256: hex(digest) }));
    await this.attempt(() => api("POST", `${API}${this.id}/complete`, { parts, tree }));
  }

  async watch() {
    for (let pause = 700; ; pause = Math.min(10_000, pause * 1.4)) {
      const now = await this.attempt(() => api("GET", API + this.id));
      if (["ready", "rejected", "quarantined"].includes(now.state)) {
        memory.remove(this.key);
        if (now.state === "ready") this.row.good(now.documents);
        else this.row.fail("rejected", { problem: now.problem ?? now.state }, now.bad_lines, true);
        return this.page.reloadList();
      }
      await wait(pause);
    }
  }

  /** Does `act` until it succeeds; a pause and a lost line do not count as a failure. */
  async attempt(act, turn = this.turn) {
    for (let tries = 1; ; ) {
      while (!this.isStopped && turn === this.turn && (this.isPaused || !navigator.onLine)) {
        await new Promise((go) => this.addEventListener("go", go, { once: true }));
      }
      if (this.isStopped || turn !== this.turn) throw new Stopped();
      try { return await act(); } catch (error) {
        if (this.isStopped) throw error;
        if (this.isPaused || !navigator.onLine) continue;
        const isFinal = error.name === "NotReadableError" || (error instanceof Refused && error.status < 500 && ![408, 425, 429].includes(error.status));
        if (isFinal || tries > TRIES) throw error;
        await wait(Math.min(30_000, 500 * 2 ** tries) * (0.5 + Math.random()));
        tries += 1;
      }
    }
  }

  share() {
    const flying = [...this.requests.values()].reduce((sum, part) => sum + part.sent, 0);
    return this.file.size ? Math.min(1, (this.doneBytes + flying) / this.file.size) : 0;
  }
  progress() {
    const share = this.share();
    const key = this.isPaused ? "paused" : navigator.onLine ? "sending" : "offline";
    this.row.say(key, { done: size(share * this.file.size), total: size(this.file.size), percent: percent(share) }, share);
  }
  abort() { for (const { request } of [...this.requests.values()]) request.abort(); }
  pause() { this.isPaused = true; this.abort(); this.row.label("pause", "resume"); this.progress(); }
  resume() {
    this.isPaused = false;
    this.row.label("pause", "pause");
    this.row.clear();
    if (this.isBusy) { this.progress(); this.dispatchEvent(new Event("go")); } else this.run();
  }
  async cancel() {
    this.isStopped = true;
    this.abort();
    this.dispatchEvent(new Event("go"));
    memory.remove(this.key);
    this.row.end("cancelled");
    if (this.id) await api("DELETE", API + this.id).catch(() => {}); // swept later where this fails
  }
}

addEventListener("offline", () => uploads.forEach((upload) => { if (upload.isBusy) { upload.abort(); upload.progress(); } }));
addEventListener("online", () => uploads.forEach((upload) => upload.dispatchEvent(new Event("go"))));
// Only while something is being sent; checking goes on without this page.
addEventListener("beforeunload", (event) => { if ([...uploads].some((upload) => upload.isBusy && !upload.isPaused)) event.preventDefault(); });

// Without a secure context there is no hashing in the browser: the plain form stays.
if (globalThis.crypto?.subtle) {
  for (const form of document.querySelectorAll("form[data-upload]")) {
    new UploadPage(form, (page, file) => { const upload = new Upload(page, file); uploads.add(upload); upload.run(); }).start();
  }
}
