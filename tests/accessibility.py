"""Checks of a page for everyone's eyes and hands, run in the browser; each tells the faults that it finds."""

#: Texts with less contrast than WCAG 2.2 AA asks: 4.5, and 3 for large ones; luminance as it defines it.
CONTRAST = """() => {
  const parts = (text) => { const found = text.match(/[\\d.]+/g).map(Number); return found.length > 3 ? found : [...found, 1]; };
  const channel = (value) => { value /= 255; return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4; };
  const light = (rgb) => 0.2126 * channel(rgb[0]) + 0.7152 * channel(rgb[1]) + 0.0722 * channel(rgb[2]);
  const over = (top, under) => [0, 1, 2].map((one) => top[one] * top[3] + under[one] * (1 - top[3]));
  const behind = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) {
      const colour = parts(getComputedStyle(one).backgroundColor);
      layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const low = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement, style = getComputedStyle(element);
    if (!texts.currentNode.data.trim() || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    if (element.closest("svg, [hidden], :disabled, .sr, .skip, dialog, option, script, datalist")) continue;
    const back = behind(element), front = over(parts(style.color), back);
    const [less, more] = [light(front), light(back)].sort((one, other) => one - other);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (more + 0.05) / (less + 0.05);
    const said = texts.currentNode.data.trim().slice(0, 30);
    if (ratio < (large ? 3 : 4.5)) low.push(`${ratio.toFixed(2)}: ${element.tagName}.${element.className} ${said}`);
  }
  return low;
}"""

#: References to nothing, names that stand twice, lists and headings out of order.
ROLES = """() => {
  const found = [], every = (selector) => [...document.querySelectorAll(selector)], ids = every("[id]").map((one) => one.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push(`twice: ${id}`);
  for (const name of ["aria-labelledby", "aria-controls", "aria-describedby", "for", "list"])
    for (const one of every(`[${name}]`)) if (!ids.includes(one.getAttribute(name))) found.push(`${name}: ${one.getAttribute(name)}`);
  for (const one of every("[role=option]")) if (!one.closest("[role=listbox]")) found.push("an option outside of a list");
  for (const one of every("[role=listbox]")) if (!one.getAttribute("aria-label")) found.push("a list without a name");
  let level = 0;
  for (const one of every("main :is(h1, h2, h3, h4)")) {
    const now = Number(one.tagName[1]);
    if (now > level + 1) found.push(`heading ${one.innerText}`);
    level = now;
  }
  if (!document.documentElement.lang || !document.title) found.push("no language or title");
  for (const one of every("[tabindex]")) if (one.tabIndex > 0) found.push("an order of its own");
  return found;
}"""

#: Where the focus is, and whether a person sees it: the ring, and that nothing lies over it.
FOCUSED = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  if (one === document.body || one.classList.contains("skip")) return null;
  const at = document.elementFromPoint(box.x + box.width / 2, box.y + Math.min(box.height / 2, 200));
  return {
    name: one.outerHTML.slice(0, 90), place: [...document.querySelectorAll("*")].indexOf(one),
    ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    seen: box.width > 0 && (one.contains(at) || Boolean(at?.contains(one))),
  };
}"""
