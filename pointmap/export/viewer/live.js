// A scene that is still being made: the newest view of it, again and again.

const MOST_WAITING = 120_000; // ms, for an answer to begin
const LEAST_BETWEEN = 500; // ms between two questions, if the server answers at once
const LONGEST_PAUSE = 30_000; // ms, between two attempts to reach it

const pause = (time) => new Promise((done) => setTimeout(done, time));

/** Resolves when somebody looks. */
const seen = () => new Promise((done) => (document.hidden ? document.addEventListener("visibilitychange", done, { once: true }) : done()));

/** Ask at the address for a view newer than the last one, as long as there is a scene; `show` is given each. */
async function follow(address, show) {
  let [number, failures] = [0, 0];
  for (;;) {
    await seen();
    const begin = performance.now();
    let answer;
    try {
      answer = await ask(address, number);
      if (answer.gone) break;
      failures = 0;
    } catch (error) {
      failures = error.name === "AbortError" ? 0 : failures + 1;
      answer = {};
    }
    $("status").hidden = failures === 0;
    if (failures > 0) await pause(Math.min(1000 * 2 ** (failures - 1), LONGEST_PAUSE));
    else if (answer.buffer) {
      number = answer.number;
      try {
        await show(Packed.fromBlock(answer.buffer), answer);
      } catch (error) {
        say(error.message); // the next one may be better
        console.error(error);
      }
    } else await pause(LEAST_BETWEEN - (performance.now() - begin));
  }
  say("This scene is no longer there.");
}

/** {gone}, or nothing new, or {buffer, number, scale}. Anything else is an error. */
async function ask(address, number) {
  const place = new URL(address, location.href);
  place.searchParams.set("after", number);
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), MOST_WAITING);
  const response = await fetch(place, { cache: "no-store", signal: patience.signal }).finally(() => clearTimeout(timer));
  if ([404, 410].includes(response.status)) return { gone: true };
  if (response.status === 204) return {};
  if (response.status !== 200) throw new Error(`Status ${response.status}`);
  return {
    buffer: await response.arrayBuffer(),
    number: Number(response.headers.get("X-View")),
    scale: response.headers.get("X-Scale"),
  };
}

/** Of a header "factor unit": {factor, unit}, or null. */
function scaleFrom(text) {
  const [, factor, unit] = /^(\S+) (.+)$/.exec(text ?? "") ?? [];
  return Number(factor) > 0 ? { factor: Number(factor), unit: decodeURIComponent(unit) } : null;
}

/** For all who look at this scene, if it is ours to say; otherwise the new scale is this visitor's own. */
function sendScale(address, scale) {
  const body = JSON.stringify(scale);
  const headers = { "Content-Type": "application/json" };
  fetch(new URL("scale", new URL(address, location.href)), { method: "POST", headers, body }).catch(() => {});
}
