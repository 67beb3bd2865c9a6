// What static/upload.js shows and keeps: one row a file, the texts of the page, the browser's memory, the calls.

export const API = "/api/v1/uploads/";
export const CSRF = document.querySelector('meta[name="csrf-token"]')?.content ?? "";
const LANG = document.documentElement.lang || "nl";
const SAID_EVERY = 10_000; // ms between progress messages read aloud

/** An answer of the server that is not a success; `message` is its own words (RFC 9457). */
export class Refused extends Error {
  constructor(status, message) { super(message); this.status = status; }
}

export async function api(method, url, body) {
  const headers = { accept: "application/json", "accept-language": LANG, "x-csrf-token": CSRF };
  if (body) headers["content-type"] = "application/json";
  const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, said.detail ?? said.title ?? `HTTP ${answer.status}`);
  return said;
}

export const percent = (share) => new Intl.NumberFormat(LANG, { style: "percent" }).format(share);

export function size(bytes) {
  const step = Math.min(3, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const unit = ["byte", "kilobyte", "megabyte", "gigabyte"][step];
  return new Intl.NumberFormat(LANG, { style: "unit", unit, maximumFractionDigits: step > 1 ? 1 : 0 }).format(bytes / 1000 ** step);
}

/** localStorage, or nothing where the browser forbids it: then a reload begins anew. */
export const memory = {
  get(key) { try { return JSON.parse(localStorage.getItem(key)); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(key, JSON.stringify(value)); } catch { /* full or forbidden */ } },
  remove(key) { try { localStorage.removeItem(key); } catch { /* forbidden */ } },
  keys(prefix) { try { return Object.keys(localStorage).filter((key) => key.startsWith(prefix)); } catch { return []; } },
};

class Row {
  constructor(page, item, name) {
    Object.assign(this, { page, item, name, saidAt: 0 });
    item.querySelector(".upload-name").textContent = name;
    item.querySelector("progress").setAttribute("aria-label", name);
    this.label("pause", "pause");
    this.label("cancel", "cancel");
  }
  find(selector) { return this.item.querySelector(selector); }
  button(name) { return this.find(`[data-do="${name}"]`); }

  /** "Pause ({name})": the part in brackets is for who hears the label; who sees it has the name in the row. */
  label(button, key) {
    const text = this.page.text(key);
    const hidden = document.createElement("span");
    hidden.className = "vh";
    hidden.textContent = text.slice(text.indexOf(" (")).replace("{name}", this.name);
    this.button(button).replaceChildren(text.slice(0, text.indexOf(" (")), hidden);
  }

  say(key, values, share) {
    const text = this.page.text(key, values);
    this.find(".upload-state").textContent = text;
    if (share !== undefined) this.find("progress").value = share;
    const isProgress = key === "sending";
    if (isProgress && Date.now() - this.saidAt < SAID_EVERY) return;
    this.saidAt = Date.now();
    this.page.say(`${this.name}: ${text}`);
  }
  end(key, values) {
    this.say(key, values);
    this.button("pause").hidden = this.button("cancel").hidden = true;
    if (key === "verifying") this.find("progress").removeAttribute("value");
    else this.find("progress").hidden = true;
  }
  good(documents) {
    this.item.classList.add("is-ready");
    if (documents === undefined) this.end("ready");
    else this.end("ready-documents", { documents: new Intl.NumberFormat(LANG).format(documents) });
  }
  fail(key, values, lines = [], isFinal = false) {
    this.item.classList.add("is-rejected");
    if (isFinal) this.end(key, values); else this.say(key, values);
    if (!isFinal) { this.button("pause").hidden = false; this.label("pause", "resume"); this.button("cancel").hidden = false; }
    const list = this.find(".upload-lines");
    list.replaceChildren(...lines.slice(0, 20).map((bad) => {
      const item = document.createElement("li");
      item.textContent = this.page.text("line", bad);
      return item;
    }));
    list.hidden = lines.length === 0;
  }
  clear() {
    this.item.classList.remove("is-rejected");
    this.find("progress").hidden = false;
  }
}

export class UploadPage {
  /** `begin(page, file)` sends one file. */
  constructor(form, begin) {
    this.form = form;
    this.begin = begin;
    this.createUrl = form.dataset.createUrl;
    this.prefix = `upload|${this.createUrl}|`;
    this.input = form.querySelector('input[type="file"]');
    this.list = form.querySelector("[data-uploads]");
    this.live = form.querySelector("[data-live]");
    this.template = form.querySelector("template");
    this.unfinished = new Map(); // key in memory -> row
  }

  text(key, values = {}) {
    const name = `text${key.split("-").map((word) => word[0].toUpperCase() + word.slice(1)).join("")}`;
    return (this.form.dataset[name] ?? "").replace(/\{(\w+)\}/g, (whole, word) => values[word] ?? whole);
  }
  say(text) { this.live.textContent = text; }

  addRow(name) {
    const item = this.template.content.firstElementChild.cloneNode(true);
    this.list.append(item);
    this.list.hidden = false;
    return new Row(this, item, name);
  }
  forgetRow(key) {
    this.unfinished.get(key)?.item.remove();
    this.unfinished.delete(key);
  }

  start() {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.take(this.input.files);
      this.input.value = "";
    });
    this.form.addEventListener("dragover", (event) => { event.preventDefault(); this.form.classList.add("is-over"); });
    this.form.addEventListener("dragleave", () => this.form.classList.remove("is-over"));
    this.form.addEventListener("drop", (event) => {
      event.preventDefault();
      this.form.classList.remove("is-over");
      this.take(event.dataTransfer.files);
    });
    for (const key of memory.keys(this.prefix)) this.showUnfinished(key).catch(() => {});
  }

  take(files) {
    let room = Number(this.form.dataset.room || Infinity);
    for (const file of [...files]) {
      if (file.size > room) {
        const row = this.addRow(file.name);
        row.fail("too-large", { total: size(file.size), room: size(Math.max(0, room)) }, [], true);
        continue;
      }
      room -= file.size;
      this.begin(this, file);
    }
  }

  /** Begun before a reload: only the person can give the file again. */
  async showUnfinished(key) {
    const saved = memory.get(key);
    if (!saved) return memory.remove(key);
    try {
      const before = await api("GET", API + saved.id);
      if (!["created", "uploading"].includes(before.state)) return memory.remove(key);
    } catch (error) {
      if (error instanceof Refused && [404, 410].includes(error.status)) memory.remove(key);
      return undefined;
    }
    const row = this.addRow(saved.name);
    this.unfinished.set(key, row);
    row.say("unfinished", { name: saved.name, percent: percent(saved.share) }, saved.share);
    row.button("pause").hidden = true;
    row.button("cancel").addEventListener("click", async () => {
      memory.remove(key);
      row.end("cancelled");
      await api("DELETE", API + saved.id).catch(() => {}); // swept later where this fails
    });
    return undefined;
  }

  async reloadList() {
    const here = document.getElementById(this.form.dataset.list);
    if (!here) return;
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById(this.form.dataset.list);
    if (fresh) here.replaceWith(fresh);
  }
}
