// "Take photos": the camera in the page. What was taken goes to the drop zone, as if it had been chosen there.
// Runs as `js_on_load` of a gr.HTML: `element` is Gradio's.
const dialog = element.querySelector("dialog");
const find = (name) => element.querySelector(`[data-part="${name}"]`);
const [video, shots, use, shutter, turn, problem] = ["video", "shots", "use", "shutter", "turn", "problem"].map(find);
let stream = null;
let facing = "environment";
let taken = [];

const stop = () => {
  stream?.getTracks().forEach((track) => track.stop());
  stream = video.srcObject = null;
};

const say = (text) => {
  problem.textContent = text;
  problem.hidden = !text;
  video.parentElement.hidden = Boolean(text);
  shutter.disabled = Boolean(text);
};

const why = (error) =>
  ({
    NotAllowedError: "The browser was not allowed to use the camera. Allow it for this page, and try again.",
    NotFoundError: "No camera was found on this device.",
    NotReadableError: "The camera is in use by another program. Close that, and try again.",
  })[error.name] ?? `The camera cannot be used (${error.message || error.name}).`;

const start = async () => {
  stop();
  say("");
  shutter.disabled = true;
  if (!navigator.mediaDevices?.getUserMedia) {
    return say("Browsers open the camera only for pages on https or on this machine. Choose photos instead.");
  }
  try {
    const opened = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: facing, width: { ideal: 1920 }, height: { ideal: 1440 } },
    });
    if (!dialog.open) return opened.getTracks().forEach((track) => track.stop());
    stream = video.srcObject = opened;
    await video.play();
    shutter.disabled = false;
    const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
    turn.hidden = cameras.length < 2;
  } catch (error) {
    say(why(error));
  }
};

const count = () => {
  use.disabled = taken.length === 0;
  use.textContent = taken.length === 1 ? "Use 1 photo" : `Use ${taken.length || "the"} photos`;
};

shutter.addEventListener("click", () => {
  const still = document.createElement("canvas");
  [still.width, still.height] = [video.videoWidth, video.videoHeight];
  still.getContext("2d").drawImage(video, 0, 0);
  still.toBlob(
    (blob) => {
      taken.push(new File([blob], `camera-${taken.length + 1}.jpg`, { type: "image/jpeg" }));
      const small = document.createElement("img");
      small.alt = `Photo ${taken.length}`;
      small.src = URL.createObjectURL(blob);
      shots.append(small);
      small.scrollIntoView({ block: "nearest", inline: "end" });
      count();
    },
    "image/jpeg",
    0.93,
  );
});

find("open").addEventListener("click", () => {
  taken = [];
  count();
  dialog.showModal();
  start();
});
turn.addEventListener("click", () => {
  facing = facing === "environment" ? "user" : "environment";
  start();
});
find("cancel").addEventListener("click", () => dialog.close());
use.addEventListener("click", () => {
  const input = document.querySelector("#pm-upload input[type=file]");
  if (!input) return say("Photos are just being read. Try again in a moment.");
  const files = new DataTransfer();
  taken.forEach((file) => files.items.add(file));
  input.files = files.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  dialog.close();
});
dialog.addEventListener("close", () => {
  stop();
  shots.querySelectorAll("img").forEach((small) => URL.revokeObjectURL(small.src));
  shots.replaceChildren();
});
