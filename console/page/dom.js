// Elements, made without HTML from text: what comes from outside stays text.

const SVG = "http://www.w3.org/2000/svg";

export function find(selector, root = document) {
  const found = root.querySelector(selector);
  if (!found) throw new Error(`The page lacks ${selector}.`);
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

/** Show a text in an element, or hide the element where there is none. */
export function tell(element, text) {
  element.textContent = text || "";
  element.hidden = !text;
}

/** Replace a list's rows, unless they are what it shows already: whoever reads or holds one is not disturbed. */
export function replaceRows(list, rows, draw) {
  const shown = JSON.stringify(rows);
  if (list.dataset.shown === shown) return;
  const held = list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  list.replaceChildren(...rows.map(draw));
  list.dataset.shown = shown;
  if (held) list.querySelector(`[data-key="${CSS.escape(held)}"]`)?.focus();
}
