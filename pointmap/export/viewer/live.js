// A scene that is still being made: the newest view of it, again and again.

const MOST_WAITING = 120_000; // ms, for an answer to begin
const LEAST_BETWEEN = 500; // ms between two questions, if the server answers at once
const LONGEST_PAUSE = 30_000; // ms, between two attempts to reach it

const pause = (time) => new Promise((done) => setTimeout(done, time));

/** Resolves when somebody looks. */
const seen = () => new Promise((done) => (document.hidden ? document.addEventListener("visibilitychange", done, { once: true }) : done()));

/** Ask at the address for a view newer than the last one, as long as there is a scene; `told` is given every answer. */
async function follow(address, told) {
  let [number, failures] = [0, 0];
  for (;;) {
    await seen();
    const begin = performance.now();
    let answer = null;
    try {
      answer = await ask(address, number);
      failures = 0;
    } catch (error) {
      if (error.name !== "AbortError") failures++;
    }
    $("status").hidden = failures === 0;
    if (answer?.gone) break;
    if (answer) {
      number = answer.number ?? number;
      try {
        await told(answer);
      } catch (error) {
        say(error.message); // the next one may be better
        console.error(error);
      }
    }
    if (failures) await pause(Math.min(1000 * 2 ** (failures - 1), LONGEST_PAUSE));
    else if (!answer?.block) await pause(LEAST_BETWEEN - (performance.now() - begin));
  }
  say("This scene is no longer there.");
}

/** {gone}; or the scale that was set, and {block, number} of a newer view if there is one. Anything else is an error. */
async function ask(address, number) {
  const place = new URL(address, location.href);
  place.searchParams.set("after", number);
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), MOST_WAITING);
  // A browser opens few connections to one host: those of pages that nobody sees would block the others.
  const leave = () => document.hidden && patience.abort();
  document.addEventListener("visibilitychange", leave);
  try {
    const response = await fetch(place, { cache: "no-store", signal: patience.signal });
    clearTimeout(timer);
    const scale = response.headers.get("X-Scale");
    if ([404, 410].includes(response.status)) return { gone: true };
    if (response.status === 204) return { scale };
    if (response.status !== 200) throw new Error(`Status ${response.status}`);
    return { scale, number: Number(response.headers.get("X-View")), block: await response.arrayBuffer() };
  } finally {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", leave);
  }
}

/** Of a header "factor unit". */
function scaleFrom(text) {
  const [factor, unit] = text.split(" ");
  return { factor: Number(factor), unit: decodeURIComponent(unit) };
}

/** For all who look at this scene, if it is ours to say; otherwise the new scale is this visitor's own. */
function sendScale(address, scale) {
  const body = JSON.stringify(scale);
  const headers = { "Content-Type": "application/json" };
  fetch(new URL("scale", new URL(address, location.href)), { method: "POST", headers, body }).catch(() => {});
}
