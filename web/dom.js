/** The one way to make elements here. Text becomes text nodes; there is no way from a string to markup. */

/**
 * @typedef {Node | string | null | undefined | false} Child
 * @typedef {string | number | boolean | null | undefined | ((event: Event) => void)} Prop
 */

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, Prop>} [props] attributes (`true`: without a value; null, undefined, false: none); `on…`: listeners
 * @param {Child[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else setAttribute(element, name, value);
  }
  element.append(...children.filter(isChild));
  return element;
}

/** @param {Child} child @returns {child is Node | string} */
function isChild(child) {
  return child !== null && child !== undefined && child !== false;
}

/** @param {Element} element @param {string} name @param {Exclude<Prop, Function>} value */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (value === true) element.setAttribute(name, '');
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

/** Changes the text only where it differs: a selection in it stays. @param {Node} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * @template {Element} E
 * @param {string} id @param {new () => E} kind
 * @returns {E}
 */
export function byId(id, kind) {
  const element = document.getElementById(id);
  if (element instanceof kind) return element;
  throw new Error(`index.html has no ${kind.name} #${id}`);
}

const SVG = 'http://www.w3.org/2000/svg';

/** Strokes on a 24 × 24 grid. @type {Record<string, string>} */
const ICONS = {
  menu: 'M4 7h16M4 12h16M4 17h10',
  plus: 'M12 5v14M5 12h14',
  pencil: 'M4 20l1-4L16 5l3 3L8 19zM14 7l3 3',
  trash: 'M5 7h14M10 7V5h4v2M7 7l1 13h8l1-13',
  up: 'M12 19V5M6 11l6-6 6 6',
  stop: 'M7 7h10v10H7z',
  cut: 'M8.6 8.6L20 20M8.6 15.4L20 4M9 6a3 3 0 11-6 0 3 3 0 016 0zM9 18a3 3 0 11-6 0 3 3 0 016 0z',
  tabs: 'M8 8h12v12H8zM16 8V4H4v12h4',
  events: 'M5 6h14M5 12h9M5 18h12',
  close: 'M6 6l12 12M18 6L6 18',
  clip: 'M8 12l6-6a3 3 0 014 4l-8 8a5 5 0 01-7-7l8-8',
  tool: 'M14 6a4 4 0 015 5l-9 9-4-4 9-9zM14 6l4 4',
  retry: 'M5 12a7 7 0 107-7H6M9 2L6 5l3 3',
};

/** @param {string} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', 'icon');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', ICONS[name] ?? '');
  svg.append(path);
  return svg;
}
