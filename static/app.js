// What every page gets when script runs: questions before acts that cannot be undone, and a few keys.
// Nothing here is needed to use the site.

const ask = document.getElementById("ask");
const shortcuts = document.getElementById("shortcuts");

// <form data-ask="Stop the job" data-ask-text="What will happen">: asks first, then sends the form as it was.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!ask || !form.dataset.ask || form.dataset.asked) return;
  event.preventDefault();
  ask.querySelector("#ask-title").textContent = form.dataset.ask;
  ask.querySelector("#ask-text").textContent = form.dataset.askText ?? "";
  ask.querySelector("#ask-yes").textContent = form.dataset.ask;
  ask.returnValue = "no";
  ask.addEventListener("close", () => {
    if (ask.returnValue !== "yes") return;
    form.dataset.asked = "yes";
    form.requestSubmit(event.submitter);
  }, { once: true });
  ask.showModal();
  ask.querySelector("[value=no]").focus();
});

// The browser may show this page again from its memory after "back": the question must then be asked again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-asked]")) delete form.dataset.asked;
});

// The summary of errors takes the focus, so that it is read first.
document.querySelector(".errors")?.focus();

// The menu of the person closes on Escape and on a click elsewhere.
const menu = document.querySelector(".who");
document.addEventListener("click", (event) => {
  if (menu?.open && !menu.contains(event.target)) menu.open = false;
});

// Keys: "?" lists them, "/" searches, "g" and the first letter of a section's address goes there.
const places = new Map([["t", document.querySelector(".mine")]]);
for (const link of document.querySelectorAll(".nav a")) {
  const letter = new URL(link.href).pathname.split("/").filter(Boolean).at(-1)?.[0];
  if (!letter || places.has(letter)) continue;
  places.set(letter, link);
  const line = document.createElement("div");
  line.className = "fact row row--between";
  const name = document.createElement("dt");
  name.textContent = link.textContent;
  const keys = document.createElement("dd");
  for (const key of ["g", letter]) {
    const cap = document.createElement("kbd");
    cap.textContent = key;
    keys.append(cap, " ");
  }
  line.append(name, keys);
  shortcuts?.querySelector("dl").append(line);
}

// Whoever speaks to the computer may trip over single keys, so they can be switched off (WCAG 2.1.4).
const OFF = "keys-off";
const isOff = () => { try { return localStorage.getItem(OFF) === "yes"; } catch { return false; } };
const open = document.getElementById("shortcuts-open");
const on = document.getElementById("shortcuts-on");
if (open && on && shortcuts) {
  open.hidden = false;
  open.addEventListener("click", () => shortcuts.showModal());
  on.checked = !isOff();
  on.addEventListener("change", () => {
    try {
      if (on.checked) localStorage.removeItem(OFF); else localStorage.setItem(OFF, "yes");
    } catch { /* forbidden by the browser: they stay on */ }
  });
}

let wentG = 0;
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && menu?.open) {
    menu.open = false;
    menu.querySelector("summary").focus();
    return;
  }
  if (isOff()) return;
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const afterG = performance.now() - wentG < 1500;
  wentG = 0;
  if (afterG && places.get(event.key)) {
    places.get(event.key).click();
  } else if (event.key === "g") {
    wentG = performance.now();
  } else if (event.key === "?") {
    shortcuts?.showModal();
  } else if (event.key === "/") {
    const find = document.getElementById("find");
    if (!find) return;
    event.preventDefault();
    find.focus();
  }
});
