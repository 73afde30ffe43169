// A photo from the camera.

import { find, tell } from "./dom.js";

const WISHED_SIDE_PX = 1920;
const QUALITY = 0.92;

/** Return a photo as a file, or null where the user thought better of it. */
export async function takeWithCamera(role) {
  const dialog = find("#camera");
  const picture = find("#camera-picture");
  const take = find("#camera-take");
  find("#camera-title").textContent = `Take the ${role} photo`;
  tell(find("#camera-problem"), null);
  take.disabled = true;
  picture.hidden = false;
  dialog.showModal();
  const choice = waitForChoice(dialog);
  const stream = await open(dialog, picture);
  try {
    return (await choice) === "take" ? await capture(picture, role) : null;
  } finally {
    for (const track of stream?.getTracks() ?? []) track.stop();
    picture.srcObject = null;
  }
}

async function open(dialog, picture) {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "user", width: { ideal: WISHED_SIDE_PX }, height: { ideal: WISHED_SIDE_PX } },
    });
    picture.srcObject = stream;
    await picture.play();
    find("#camera-take").disabled = false;
    return stream;
  } catch (error) {
    picture.hidden = true;
    tell(find("#camera-problem"), `The camera can't be used: ${error.message}`);
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
    // By the Escape key.
    dialog.onclose = choose("cancel");
  });
}

async function capture(picture, role) {
  const canvas = new OffscreenCanvas(picture.videoWidth, picture.videoHeight);
  canvas.getContext("2d").drawImage(picture, 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
  return new File([blob], `camera-${role}.jpg`, { type: "image/jpeg" });
}
