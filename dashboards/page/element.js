/** @typedef {Node | string | null | undefined | false} Child */
/** @typedef {Readonly<Record<string, string | number | boolean | null | undefined>>} Attributes */

const SVG = 'http://www.w3.org/2000/svg'

/**
 * An element `tag.class.class`; text becomes text nodes, so nothing in it is ever read as markup.
 * An attribute that is null, undefined or false is left out, true is written empty.
 * @param {string} name
 * @param {Attributes} [attributes]
 * @param {...Child} children
 */
export function el(name, attributes = {}, ...children) {
  const [tag = 'div', ...classes] = name.split('.')
  return fill(document.createElement(tag), classes, attributes, children)
}

/**
 * The same for SVG.
 * @param {string} name
 * @param {Attributes} [attributes]
 * @param {...Child} children
 */
export function svg(name, attributes = {}, ...children) {
  const [tag = 'g', ...classes] = name.split('.')
  return fill(document.createElementNS(SVG, tag), classes, attributes, children)
}

/**
 * @template {Element} T
 * @param {T} element
 * @param {readonly string[]} classes
 * @param {Attributes} attributes
 * @param {readonly Child[]} children
 */
function fill(element, classes, attributes, children) {
  if (classes.length > 0) element.setAttribute('class', classes.join(' '))
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false)
      element.setAttribute(name, value === true ? '' : `${value}`)
  }
  for (const child of children) if (child) element.append(child)
  return element
}

/** @type {WeakMap<Element, { sign: string, children: (() => readonly Child[]) | null }>} */
const lazy = new WeakMap()

/**
 * An element whose children are made only when it is new or its sign differs from what is shown: a list costs what changed in it.
 * @template {Element} T
 * @param {T} element
 * @param {string} sign text that is equal whenever the children would be
 * @param {() => readonly Child[]} children
 */
export function lazily(element, sign, children) {
  lazy.set(element, { sign, children })
  return element
}

/** Makes the children that are still to be made. @param {Element} element */
function complete(element) {
  const made = lazy.get(element)
  if (!made?.children) return
  fill(element, [], {}, made.children())
  lazy.set(element, { sign: made.sign, children: null })
}

/** The same for everything inside, for what is new. @param {Node} node */
function completeAll(node) {
  if (!(node instanceof Element)) return
  complete(node)
  for (const child of node.children) completeAll(child)
}

/**
 * Makes the children of `element` look like `wanted` and keeps the nodes that are there, so that focus, selection and
 * opened details survive an update. Children with `data-key` are matched by it, others by position.
 * @param {Element} element
 * @param {readonly Node[]} wanted
 */
export function update(element, wanted) {
  /** @type {Map<string, Element>} */
  const keyed = new Map()
  for (const child of element.children) {
    const key = keyOf(child)
    if (key !== null) keyed.set(key, child)
  }
  let at = element.firstChild
  for (const next of wanted) {
    const key = keyOf(next)
    const old = key === null ? at : (keyed.get(key) ?? null)
    if (old !== null && isAlike(old, next)) {
      if (old === at) at = at?.nextSibling ?? null
      else element.insertBefore(old, at)
      adopt(old, next)
    } else {
      completeAll(next)
      element.insertBefore(next, at)
    }
  }
  while (at !== null) {
    const rest = at.nextSibling
    at.remove()
    at = rest
  }
}

/** @param {Node} node */
const keyOf = (node) => (node instanceof Element ? node.getAttribute('data-key') : null)

/** @param {Node} old @param {Node} next */
const isAlike = (old, next) => old.nodeName === next.nodeName && keyOf(old) === keyOf(next)

/** @param {Node} old @param {Node} next */
function adopt(old, next) {
  if (!(old instanceof Element && next instanceof Element)) {
    if (old.nodeValue !== next.nodeValue) old.nodeValue = next.nodeValue
    return
  }
  const sign = lazy.get(next)?.sign
  if (sign !== undefined && sign === lazy.get(old)?.sign) return
  complete(next)
  const isOpenedByReader = (/** @type {string} */ name) => name === 'open' && old.nodeName === 'DETAILS'
  for (const { name } of [...old.attributes]) {
    if (!next.hasAttribute(name) && !isOpenedByReader(name)) old.removeAttribute(name)
  }
  for (const { name, value } of next.attributes) {
    if (old.getAttribute(name) !== value && !isOpenedByReader(name)) old.setAttribute(name, value)
  }
  update(old, [...next.childNodes])
  if (sign !== undefined) lazy.set(old, { sign, children: null })
}
