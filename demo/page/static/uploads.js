// Files that are too large are left out before they are sent, and the others go on their way; Gradio would refuse them all.
// Runs as `js_on_load` of a gr.HTML: `element` is Gradio's.
const box = element.querySelector('[data-part="large"]');
const most = Number(box.dataset.mostBytes);
const names = box.querySelector("span");
let passing = false; // what is given to the drop zone here needs no second look

const small = (files) => {
  const large = files.filter((file) => file.size > most);
  box.hidden = large.length === 0;
  names.textContent = large.map((file) => file.name).join(", ");
  return files.filter((file) => file.size <= most);
};

const look = (event, input, files) => {
  if (passing || !input) return;
  const left = small(files);
  if (left.length === files.length) return;
  event.stopImmediatePropagation();
  event.preventDefault();
  const kept = new DataTransfer();
  left.forEach((file) => kept.items.add(file));
  input.files = kept.files;
  if (left.length === 0) return;
  passing = true;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  passing = false;
};

const INPUT = "#pm-upload input[type=file]";
document.addEventListener("change", (event) => event.target.matches?.(INPUT) && look(event, event.target, [...event.target.files]), true);
document.addEventListener("drop", (event) => {
  if (event.target.closest?.("#pm-upload")) look(event, document.querySelector(INPUT), [...event.dataTransfer.files]);
}, true);
