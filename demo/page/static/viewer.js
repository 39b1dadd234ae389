// The frame with the viewer: its theme, the links to it, and what it says to this page.
// Runs as `js_on_load` of a gr.HTML (`scene_tab.py`): `element`, `trigger` and `watch` are Gradio's.
const dark = () => [document.documentElement, document.body].some((part) => part.classList.contains("dark"));
const theme = () => (dark() ? "dark" : "light");
const frame = () => element.querySelector("iframe");
const absolute = (address) => new URL(address, location.origin + location.pathname).href;

let shown = {}; // in the frame

const refresh = () => {
  for (const field of element.querySelectorAll("input[data-address]")) field.value = absolute(field.dataset.address);
  const inside = frame();
  if (!inside) return;
  const { view } = inside.dataset;
  const scale = Number(inside.dataset.factor);
  // With a new view it learns the scale by itself.
  if (shown.frame === inside && shown.view === view && shown.scale !== scale) inside.contentWindow.location.reload();
  shown = { frame: inside, view, scale };
};

const tellTheme = () => frame()?.contentWindow?.postMessage({ pointmap: "theme", theme: theme() }, location.origin);
const themes = new MutationObserver(tellTheme);
for (const part of [document.documentElement, document.body]) themes.observe(part, { attributeFilter: ["class"] });

const hear = ({ source, origin, data }) => {
  if (!element.isConnected) {
    window.removeEventListener("message", hear);
    return themes.disconnect();
  }
  const inside = frame();
  if (!inside || source !== inside.contentWindow || origin !== location.origin || data?.pointmap !== "scale") return;
  shown.scale = data.factor;
  trigger("scale_set", { factor: data.factor, unit: data.unit });
};
window.addEventListener("message", hear);

element.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-do=copy]");
  if (!button) return;
  const field = element.querySelector(".pm-share input");
  field.select();
  let copied = true;
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    copied = document.execCommand("copy"); // where the page is not served securely
  }
  element.querySelector(".pm-share [role=status]").textContent = copied ? "Copied" : "Select the link and copy it by hand.";
  button.textContent = copied ? "Copied" : "Copy";
  setTimeout(() => (button.textContent = "Copy"), 2000);
});

element.addEventListener("load", tellTheme, true); // of the frame
watch("value", refresh);
refresh();
