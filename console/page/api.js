// What the page asks the console for.

export class ApiError extends Error {}

export async function ask(path, { method = "GET", body } = {}) {
  const isDocument = body !== undefined && !(body instanceof Blob);
  const answer = await send(path, {
    method,
    body: isDocument ? JSON.stringify(body) : body,
    headers: isDocument ? { "Content-Type": "application/json" } : {},
  });
  const isJson = (answer.headers.get("Content-Type") ?? "").includes("json");
  if (!answer.ok) {
    const told = isJson ? (await answer.json()).error : await answer.text();
    throw new ApiError(told || `The console answers HTTP ${answer.status}.`);
  }
  return isJson ? answer.json() : answer.blob();
}

async function send(path, request) {
  try {
    return await fetch(`/api/${path}`, request);
  } catch {
    throw new ApiError("The console has stopped: start it again with make console.");
  }
}

/**
 * Look again and again, while the page can be seen; `showHealth` hears null, or why a look failed.
 * Returns what looks at once.
 */
export function poll(interval_ms, look, showHealth = () => {}) {
  let timer = null;
  let isLooking = false;
  async function run() {
    if (isLooking) return;
    isLooking = true;
    clearTimeout(timer);
    await pollOnce(look, showHealth);
    isLooking = false;
    timer = setTimeout(run, interval_ms);
  }
  document.addEventListener("visibilitychange", run);
  run();
  return run;
}

async function pollOnce(look, showHealth) {
  if (document.hidden) return;
  try {
    await look();
    showHealth(null);
  } catch (error) {
    showHealth(error);
  }
}
