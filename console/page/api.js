// Calls the console's API.

export class ApiError extends Error {}

export async function callApi(path, { method = "GET", body } = {}) {
  const isDocument = body !== undefined && !(body instanceof Blob);
  const response = await send(path, {
    method,
    body: isDocument ? JSON.stringify(body) : body,
    headers: isDocument ? { "Content-Type": "application/json" } : {},
  });
  const isJson = (response.headers.get("Content-Type") ?? "").includes("json");
  if (!response.ok) {
    const message = isJson ? (await response.json()).error : await response.text();
    throw new ApiError(message || `The console responded with HTTP ${response.status}.`);
  }
  return isJson ? response.json() : response.blob();
}

async function send(path, request) {
  try {
    return await fetch(`/api/${path}`, request);
  } catch {
    throw new ApiError("The console has stopped. Start it again with make console.");
  }
}

/**
 * Call `refresh` at an interval while the page is visible. `showHealth` receives null or the error.
 * Returns a function that refreshes immediately.
 */
export function poll(interval_ms, refresh, showHealth = () => {}) {
  let timer = null;
  let isRunning = false;
  async function run() {
    if (isRunning) return;
    isRunning = true;
    clearTimeout(timer);
    await pollOnce(refresh, showHealth);
    isRunning = false;
    timer = setTimeout(run, interval_ms);
  }
  document.addEventListener("visibilitychange", run);
  run();
  return run;
}

async function pollOnce(refresh, showHealth) {
  if (document.hidden) return;
  try {
    await refresh();
    showHealth(null);
  } catch (error) {
    showHealth(error);
  }
}
