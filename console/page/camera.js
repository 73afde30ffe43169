// Takes a photo with the camera.

import { find, setText } from "./dom.js";

const IDEAL_SIDE_PX = 1920;
const QUALITY = 0.92;

/** Return a photo as a file, or null if the user cancels. */
export async function takeWithCamera(role) {
  const dialog = find("#camera");
  const video = find("#camera-video");
  const take = find("#camera-take");
  find("#camera-title").textContent = `Take the ${role} photo`;
  setText(find("#camera-problem"), null);
  take.disabled = true;
  video.hidden = false;
  dialog.showModal();
  const choice = waitForChoice(dialog);
  const stream = await open(dialog, video);
  try {
    return (await choice) === "take" ? await capture(video, role) : null;
  } finally {
    for (const track of stream?.getTracks() ?? []) track.stop();
    video.srcObject = null;
  }
}

async function open(dialog, video) {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "user", width: { ideal: IDEAL_SIDE_PX }, height: { ideal: IDEAL_SIDE_PX } },
    });
    video.srcObject = stream;
    await video.play();
    find("#camera-take").disabled = false;
    return stream;
  } catch (error) {
    video.hidden = true;
    setText(find("#camera-problem"), `Cannot use the camera: ${error.message}`);
    return null;
  }
}

function waitForChoice(dialog) {
  return new Promise((resolve) => {
    const choose = (choice) => () => {
      resolve(choice);
      dialog.close();
    };
    find("#camera-take").onclick = choose("take");
    find("#camera-cancel").onclick = choose("cancel");
    // The Escape key closes the dialog.
    dialog.onclose = choose("cancel");
  });
}

async function capture(video, role) {
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  canvas.getContext("2d").drawImage(video, 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
  return new File([blob], `camera-${role}.jpg`, { type: "image/jpeg" });
}
