// Copy buttons: <button data-copy="ID OF THE TEXT" data-copied="Copied" hidden>. Shown only where copying can work.
const shown = new WeakMap();

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const label = button.querySelector("span");
  if (!source || !label) return;
  await navigator.clipboard.writeText(source.textContent);
  clearTimeout(shown.get(button)?.timer);
  const before = shown.get(button)?.before ?? label.textContent;
  label.textContent = button.dataset.copied;
  button.classList.add("is-done");
  const timer = setTimeout(() => {
    label.textContent = before;
    button.classList.remove("is-done");
  }, 2000);
  shown.set(button, { timer, before });
}

if (navigator.clipboard) {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      copy(button).catch(() => {
        // Refused by the browser: leave the text selected, so that the keyboard can copy it.
        const source = document.getElementById(button.dataset.copy);
        if (source) getSelection()?.selectAllChildren(source);
      });
    });
  }
}
