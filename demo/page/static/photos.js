// The strip of photos: its buttons, dragging with the mouse, and where the focus is after photos moved.
// Runs as `js_on_load` of a gr.HTML: `element`, `trigger` and `watch` are Gradio's. Everything shown comes from the server
// (`photo_strip.py`); Gradio changes the page in place, item by item, so that places stay where photos move.
const items = () => [...element.querySelectorAll(".pm-photo")];
let after = null; // what to do when the changed strip is there
let dragged = null;

const move = (key, to) => {
  const from = items().findIndex((item) => item.dataset.key === key);
  if (from < 0 || to < 0 || to >= items().length || to === from) return;
  trigger("photo", { what: "move", key, to });
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-do]");
  if (!button) return;
  const what = button.dataset.do;
  if (what === "clear") return trigger("photo", { what: "clear" });
  const item = button.closest(".pm-photo");
  const { key, name } = item.dataset;
  const place = items().indexOf(item);
  if (what === "brush") {
    document.dispatchEvent(new CustomEvent("pm-brush", { detail: { ...item.dataset, opener: button } }));
  } else if (what === "remove") {
    after = { place, what, say: `${name} was removed.` };
    trigger("photo", { what: "remove", key });
  } else {
    const to = place + (what === "left" ? -1 : 1);
    after = { key, what, say: `${name} is now number ${to + 1} of ${items().length}.` };
    move(key, to);
  }
});

watch("value", () => {
  if (!after) return;
  const all = items();
  const item = after.key ? all.find((one) => one.dataset.key === after.key) : all[Math.min(after.place, all.length - 1)];
  const button = item?.querySelector(`[data-do="${after.what}"]`);
  (button?.disabled ? item.querySelector("[data-do]:not(:disabled)") : button)?.focus();
  item?.scrollIntoView({ block: "nearest" });
  const voice = element.querySelector("[aria-live]");
  if (voice) voice.textContent = after.say;
  after = null;
});

const unmark = () => items().forEach((item) => item.removeAttribute("data-drop"));

element.addEventListener("dragstart", (event) => {
  dragged = event.target.closest?.(".pm-photo")?.dataset.key ?? null;
  if (!dragged) return;
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", dragged);
});
element.addEventListener("dragover", (event) => {
  const over = event.target.closest?.(".pm-photo");
  if (!dragged || !over) return;
  event.preventDefault();
  unmark();
  const place = items().indexOf(over);
  const from = items().findIndex((item) => item.dataset.key === dragged);
  if (place !== from) over.setAttribute("data-drop", place > from ? "after" : "before");
});
element.addEventListener("drop", (event) => {
  const over = event.target.closest?.(".pm-photo");
  if (!dragged || !over) return;
  event.preventDefault();
  move(dragged, items().indexOf(over));
});
element.addEventListener("dragend", () => {
  dragged = null;
  unmark();
});
