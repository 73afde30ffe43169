// Makes elements without parsing HTML, so that data from outside stays text.

const SVG = "http://www.w3.org/2000/svg";

export function find(selector, root = document) {
  const found = root.querySelector(selector);
  if (!found) throw new Error(`The page has no ${selector}.`);
  return found;
}

export function make(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function makeSvg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Show a text in an element, or hide the element without a text. */
export function setText(element, text) {
  element.textContent = text || "";
  element.hidden = !text;
}

/** Replace a list's rows if they have changed. A row with the focus keeps it. */
export function replaceRows(list, rows, draw) {
  const shown = JSON.stringify(rows);
  if (list.dataset.shown === shown) return;
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  list.replaceChildren(...rows.map(draw));
  list.dataset.shown = shown;
  if (focused) list.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}
