// The page around this one, if there is one and it is ours.

const embedded = (() => {
  try {
    return window.parent !== window && window.parent.location.origin === location.origin;
  } catch {
    return false; // of another origin
  }
})();

function tell(message) {
  if (embedded) window.parent.postMessage(message, location.origin);
}

function onMessage(told) {
  window.addEventListener("message", ({ source, origin, data }) => {
    if (embedded && source === window.parent && origin === location.origin && data) told(data);
  });
}
