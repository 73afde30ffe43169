// The panel of a photo: drop, choose or take it, and see it before and after.

import { callApi } from "./api.js";
import { takeWithCamera } from "./camera.js";
import { find, make, makeSvg, setText } from "./dom.js";

/** The panel of one photo. `id` is the console's id of the photo, null without a photo. */
export class PhotoPanel {
  id = null;
  size_bytes = 0;
  refusal = null;
  /** Called on every change. */
  onChange = () => {};
  /** Receives the second file if the user drops or chooses several. */
  onMore = () => {};
  #root;
  #turn = 0;
  #address = null;
  /** The faces in the prepared photo. */
  #faces = null;
  /** Whether the face that the emulator compared is drawn instead. */
  #isComparedShown = false;

  constructor(role) {
    this.role = role;
    this.#root = find(`#${role}`);
    this.#root.append(find("#photo-template").content.cloneNode(true));
    this.#find(".role").textContent = role === "source" ? "Source" : "Target";
    this.#nameButtons();
    this.#listen();
  }

  /** Show a file, and send it to the console for examination. */
  async load(file) {
    const turn = ++this.#turn;
    Object.assign(this, { id: null, size_bytes: file.size, refusal: null });
    this.#showBefore(file);
    this.onChange();
    let examined;
    try {
      examined = await callApi("photos", { method: "POST", body: file });
    } catch (error) {
      examined = { id: null, report: null, refusal: { message: error.message } };
    }
    // The user may have chosen another photo meanwhile.
    if (turn !== this.#turn) return;
    Object.assign(this, { id: examined.id, refusal: examined.refusal });
    this.#showAfter(examined);
    this.onChange();
  }

  /** Move the focus to the photo. */
  focus() {
    this.#root.focus();
  }

  /** Mark the photo as rejected by the stack, or not. */
  markRejected(isRejected) {
    this.#root.classList.toggle("rejected", isRejected || this.refusal !== null);
  }

  /** Draw the face that the emulator compared, from its log, or none. */
  showFace(picture) {
    if (this.#isComparedShown) {
      this.#isComparedShown = false;
      this.#draw("after", this.#faces);
      this.#captionSide("after", "as sent to the provider");
    }
    if (!picture?.face_box) return;
    const { width, height, faces, face_box } = picture;
    const { naturalWidth, naturalHeight } = this.#find(".after img");
    // The panel may show another photo now.
    if (naturalWidth !== width || naturalHeight !== height) return;
    this.#isComparedShown = true;
    this.#draw("after", { width, height, rectangles: [face_box] });
    const share = Math.round((100 * face_box.width * face_box.height) / (width * height));
    const found = faces === 1 ? "1 face" : `${faces} faces; the largest`;
    this.#captionSide("after", `as sent to the provider; ${found}, fills ${share} % of the photo`);
  }

  #find(selector) {
    return find(selector, this.#root);
  }

  /** Replace the rectangles over one of the two images; null for none. */
  #draw(side, drawing) {
    const framed = this.#find(`.${side} .framed`);
    framed.querySelector(".face")?.remove();
    if (!drawing) return;
    const { width, height, rectangles } = drawing;
    const drawn = rectangles.map(({ left, top, width, height }) =>
      makeSvg("rect", { x: left, y: top, width, height, rx: 12 }),
    );
    framed.append(makeSvg("svg", { class: "face", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, ...drawn));
  }

  #listen() {
    const loadAll = (files) => {
      const [first, second] = files;
      if (first) this.load(first);
      if (second) this.onMore(second);
    };
    const input = this.#find("input");
    input.addEventListener("change", () => {
      loadAll(input.files);
      // Allow the user to choose the same file again.
      input.value = "";
    });
    this.#find(".camera").addEventListener("click", async () => {
      const file = await takeWithCamera(this.role);
      if (file) this.load(file);
    });
    const drop = this.#find(".drop");
    drop.addEventListener("dragover", (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
    drop.addEventListener("dragleave", () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      loadAll(event.dataTransfer.files);
    });
  }

  #nameButtons() {
    const other = this.size_bytes ? "another" : "a";
    this.#find("label span").replaceChildren(
      `Choose ${other} photo`,
      make("span", { class: "hidden-text" }, ` as the ${this.role}`),
    );
    this.#find(".camera").replaceChildren(
      "Take with the camera",
      make("span", { class: "hidden-text" }, ` as the ${this.role}`),
    );
  }

  #showBefore(file) {
    this.#find(".invitation").hidden = true;
    this.#find(".sides").hidden = false;
    this.#find(".sides").className = "sides";
    this.#find(".name").textContent = file.name;
    this.#find(".badge").hidden = true;
    this.#find(".done").replaceChildren();
    this.#nameButtons();
    this.markRejected(false);
    this.#isComparedShown = false;
    this.#faces = null;
    this.#draw("before", null);
    URL.revokeObjectURL(this.#address);
    this.#address = URL.createObjectURL(file);
    this.#showSide("before", this.#address, "as received");
    this.#showNothing("after", "Being examined …", "as it would be sent");
  }

  #showAfter({ id, report, refusal, orientation_text, changes, warnings, crop, faces }) {
    if (refusal) {
      const isRefused = id !== null;
      this.#find(".badge").hidden = !isRefused;
      this.#showNothing("after", isRefused ? "The stack will refuse this photo." : "The photo could not be examined.", "not available");
      const text = isRefused ? `${refusal.message} (${refusal.code})` : refusal.message;
      this.#find(".done").replaceChildren(make("li", { class: "fault" }, text));
      this.markRejected(true);
      return;
    }
    this.#captionSide("before", orientation_text);
    this.#find(".sides").className = `sides ${chooseLayout(report)}`;
    this.#showSide("after", `/api/photos/${id}`, "as sent to the provider");
    this.#faces = faces;
    this.#draw("before", crop);
    this.#draw("after", faces);
    this.#find(".done").replaceChildren(
      ...warnings.map((line) => make("li", { class: "warning" }, line)),
      ...changes.map((line) => make("li", {}, line)),
    );
  }

  #showSide(side, address, note) {
    const image = this.#find(`.${side} img`);
    const placeholder = this.#find(`.${side} .no-picture`);
    image.onerror = () => this.#showNothing(side, "The browser cannot show this photo.", note);
    image.src = address;
    image.alt = `The ${this.role} photo ${note}`;
    image.hidden = false;
    placeholder.hidden = true;
    this.#captionSide(side, note);
  }

  #showNothing(side, text, note) {
    const image = this.#find(`.${side} img`);
    image.onerror = null;
    image.removeAttribute("src");
    image.hidden = true;
    this.#draw(side, null);
    setText(this.#find(`.${side} .no-picture`), text);
    this.#captionSide(side, note);
  }

  #captionSide(side, note) {
    const title = make("strong", {}, side === "before" ? "Before" : "After");
    this.#find(`.${side} figcaption`).replaceChildren(title, `, ${note}`);
    this.#find(`.${side} img`).alt = `The ${this.role} photo ${note}`;
  }
}

/** Return the class that gives more width to the wider image, if only one is wide. */
function chooseLayout(report) {
  const beforeIsWide = report.source_width > report.source_height;
  if (beforeIsWide === report.width > report.height) return "";
  return beforeIsWide ? "wide-first" : "wide-last";
}
