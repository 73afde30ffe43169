// A photo's location on the page: it is dropped, chosen or taken, and shown before and after.

import { ask } from "./api.js";
import { takeWithCamera } from "./camera.js";
import { find, make, makeSvg, tell } from "./dom.js";

/** One of the two photos; `id` is the console's name for it, null while there is none. */
export class PhotoSlot {
  id = null;
  size_bytes = 0;
  refusal = null;
  /** Hears of every change. */
  onChange = () => {};
  /** Gets the second of several files that came at once. */
  onMore = () => {};
  #root;
  #turn = 0;
  #address = null;
  /** The faces that were found in what would be sent. */
  #faces = null;
  /** Whether the face that the emulator compared is drawn in location of them. */
  #isComparedShown = false;

  constructor(role) {
    this.role = role;
    this.#root = find(`#${role}`);
    this.#root.append(find("#photo-template").content.cloneNode(true));
    this.#find(".role").textContent = role === "source" ? "Source" : "Target";
    this.#nameButtons();
    this.#listen();
  }

  /** Show a file, and have it examined. */
  async take(file) {
    const turn = ++this.#turn;
    Object.assign(this, { id: null, size_bytes: file.size, refusal: null });
    this.#showBefore(file);
    this.onChange();
    let examined;
    try {
      examined = await ask("photos", { method: "POST", body: file });
    } catch (error) {
      examined = { id: null, report: null, refusal: { message: error.message } };
    }
    // A later photo may have come meanwhile.
    if (turn !== this.#turn) return;
    Object.assign(this, { id: examined.id, refusal: examined.refusal });
    this.#showAfter(examined);
    this.onChange();
  }

  /** Move the keyboard's focus to the photo. */
  focus() {
    this.#root.focus();
  }

  /** Mark the photo as the one at fault, as the stack says, or not. */
  mark(isAtFault) {
    this.#root.classList.toggle("at-fault", isAtFault || this.refusal !== null);
  }

  /** Draw the face that the emulator compared, as its log has it (`picture`), or none. */
  showFace(picture) {
    if (this.#isComparedShown) {
      this.#isComparedShown = false;
      this.#draw("after", this.#faces);
      this.#captionSide("after", "as the provider gets it");
    }
    if (!picture?.face_box) return;
    const { width, height, faces, face_box } = picture;
    const { naturalWidth, naturalHeight } = this.#find(".after img");
    // Another photo may be in this location by now.
    if (naturalWidth !== width || naturalHeight !== height) return;
    this.#isComparedShown = true;
    this.#draw("after", { width, height, rectangles: [face_box] });
    const share = Math.round((100 * face_box.width * face_box.height) / (width * height));
    const found = faces === 1 ? "1 face" : `${faces} faces, the largest`;
    this.#captionSide("after", `as the provider gets it; ${found} at ${share} % of the photo`);
  }

  #find(selector) {
    return find(selector, this.#root);
  }

  /** Draw rectangles over one of the two pictures, in location of those that are there; null for none. */
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
    const takeAll = (files) => {
      const [first, second] = files;
      if (first) this.take(first);
      if (second) this.onMore(second);
    };
    const input = this.#find("input");
    input.addEventListener("change", () => {
      takeAll(input.files);
      // So that the same file can be chosen again.
      input.value = "";
    });
    this.#find(".camera").addEventListener("click", async () => {
      const file = await takeWithCamera(this.role);
      if (file) this.take(file);
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
      takeAll(event.dataTransfer.files);
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
    this.mark(false);
    this.#isComparedShown = false;
    this.#faces = null;
    this.#draw("before", null);
    URL.revokeObjectURL(this.#address);
    this.#address = URL.createObjectURL(file);
    this.#showSide("before", this.#address, "as it came");
    this.#showNothing("after", "Being examined …", "as it would be sent");
  }

  #showAfter({ id, report, refusal, posture, work, warnings, crop, faces }) {
    if (refusal) {
      const isRefused = id !== null;
      this.#find(".badge").hidden = !isRefused;
      this.#showNothing("after", isRefused ? "The stack will refuse it." : "It could not be examined.", "not to be sent");
      const words = isRefused ? `${refusal.message} (${refusal.code})` : refusal.message;
      this.#find(".done").replaceChildren(make("li", { class: "fault" }, words));
      this.mark(true);
      return;
    }
    this.#captionSide("before", posture);
    this.#find(".sides").className = `sides ${chooseLayout(report)}`;
    this.#showSide("after", `/api/photos/${id}`, "as the provider gets it");
    this.#faces = faces;
    this.#draw("before", crop);
    this.#draw("after", faces);
    this.#find(".done").replaceChildren(
      ...warnings.map((line) => make("li", { class: "warning" }, line)),
      ...work.map((line) => make("li", {}, line)),
    );
  }

  #showSide(side, address, note) {
    const image = this.#find(`.${side} img`);
    const stead = this.#find(`.${side} .no-picture`);
    image.onerror = () => this.#showNothing(side, "The browser can't show these bytes as a picture.", note);
    image.src = address;
    image.alt = `The ${this.role} photo ${note}`;
    image.hidden = false;
    stead.hidden = true;
    this.#captionSide(side, note);
  }

  #showNothing(side, words, note) {
    const image = this.#find(`.${side} img`);
    image.onerror = null;
    image.removeAttribute("src");
    image.hidden = true;
    this.#draw(side, null);
    tell(this.#find(`.${side} .no-picture`), words);
    this.#captionSide(side, note);
  }

  #captionSide(side, note) {
    const title = make("strong", {}, side === "before" ? "Before" : "After");
    this.#find(`.${side} figcaption`).replaceChildren(title, `, ${note}`);
    this.#find(`.${side} img`).alt = `The ${this.role} photo ${note}`;
  }
}

/** Return the class that gives more room to the one of the two that is wide, if only one is. */
function chooseLayout(report) {
  const beforeIsWide = report.source_width > report.source_height;
  if (beforeIsWide === report.width > report.height) return "";
  return beforeIsWide ? "wide-first" : "wide-last";
}
