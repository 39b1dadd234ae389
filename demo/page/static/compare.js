// A divider over two pictures: a native slider above them, so that mouse, finger and keys move it.
// Runs as `js_on_load` of a gr.HTML (`photos_tab.py`): `element` and `watch` are Gradio's.
const move = () => {
  const slider = element.querySelector("input[type=range]");
  slider?.closest(".pm-layers").style.setProperty("--at", `${slider.value}%`);
  slider?.setAttribute("aria-valuetext", `${slider.value} % photo`);
};
element.addEventListener("input", move);
watch("value", move);
move();
