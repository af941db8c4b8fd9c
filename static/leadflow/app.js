/* LeadFlow in the browser. Everything here enhances pages that work without it. docs/design-system.md lists the data- attributes. */
"use strict";

const root = document.documentElement;
root.classList.add("js");
const one = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const year = 31536000;
const keep = (name, value) => { document.cookie = `${name}=${value}; path=/; max-age=${value ? year : 0}; samesite=lax`; };

/* --- Theme and navigation: cookies, so that the server draws the next page right from its first byte --- */

function chooseTheme(theme) {
  if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
  keep("theme", theme);
  all("[data-theme-choice]").forEach((button) => button.setAttribute("aria-pressed", button.dataset.themeChoice === theme));
}

function foldNavigation() {
  const narrow = root.dataset.navigation !== "narrow";
  if (narrow) root.dataset.navigation = "narrow"; else delete root.dataset.navigation;
  keep("navigation", narrow ? "narrow" : "");
}

/* --- Toasts --- */

const toasts = () => one("#toasts");
const toastLife = 8000;
const toastsKept = 3; // of those that go by themselves; errors wait for the person

function tendToast(toast) {
  if (toast.dataset.tended || toast.classList.contains("toast-error")) return; // an error waits for the person
  toast.dataset.tended = "yes";
  all("[data-tended]", toasts()).slice(0, -toastsKept).filter((old) => !old.matches(":hover, :focus-within")).forEach((old) => old.remove());
  let timer;
  const start = () => { timer = setTimeout(() => toast.remove(), toastLife); };
  const stop = () => clearTimeout(timer);
  toast.addEventListener("pointerenter", stop);
  toast.addEventListener("pointerleave", start);
  toast.addEventListener("focusin", stop);
  toast.addEventListener("focusout", start);
  start();
}

/* A modal dialog covers everything else, so the toasts move into the topmost one. */
function placeToasts() {
  const home = all("dialog[open]").pop() || document.body;
  if (toasts() && toasts().parentElement !== home) home.append(toasts());
}

function showFailure(kind) {
  const template = one("#failures");
  if (!template || !toasts()) return;
  const toast = template.content.firstElementChild.cloneNode(true);
  one("p", toast).textContent = template.dataset[kind];
  all(".toast-error", toasts()).filter((old) => one("p", old).textContent === template.dataset[kind]).forEach((old) => old.remove());
  toasts().append(toast);
}

function failureKind(status) {
  if (!status) return "network";
  if (status === 404 || status === 410) return "gone";
  if (status === 429) return "many";
  return status < 500 ? "refused" : "server";
}

/* --- Drawer and dialog: any page, fetched from its own address --- */

function openOverlay(id, url) {
  const overlay = one(`#${id}`);
  const body = one(".overlay-body", overlay);
  body.replaceChildren();
  overlay.dataset.url = url;
  one("h2", overlay).textContent = "";
  if (id === "drawer") one("#drawer-whole").href = url;
  if (!overlay.open) overlay.showModal();
  placeToasts();
  htmx.ajax("GET", url, { target: body, swap: "innerHTML" }).catch(() => overlay.close());
}

// A page in an overlay may repeat ids of the page beneath: labels must find the fields beside them.
function keepIdsApart(body) {
  for (const element of all("[id]", body)) {
    if (document.getElementById(element.id) === element && all(`[id="${CSS.escape(element.id)}"]`).length < 2) continue;
    const [before, after] = [element.id, `overlay-${element.id}`];
    element.id = after;
    for (const name of ["for", "form", "list", "aria-describedby", "aria-labelledby", "aria-controls"]) {
      all(`[${name}~="${CSS.escape(before)}"]`, body).forEach((each) => each.setAttribute(name, each.getAttribute(name).split(" ").map((id) => (id === before ? after : id)).join(" ")));
    }
  }
}

function openDrawer(url) {
  if (!history.state?.drawer) history.replaceState({ ...history.state, beneath: true }, "");
  history.pushState({ drawer: url }, "", url);
  openOverlay("drawer", url);
}

const withoutHash = () => location.href.split("#")[0];
const loadedFrom = withoutHash();

addEventListener("popstate", (event) => {
  const drawer = one("#drawer");
  if (!event.state?.drawer && event.state?.beneath && withoutHash() !== loadedFrom) { location.reload(); return; } // the drawer had been reloaded as a page
  if (event.state?.drawer && drawer) openOverlay("drawer", event.state.drawer);
  else if (drawer?.open) drawer.close();
});

function closed(dialog) {
  if (dialog.id === "drawer" && history.state?.drawer) history.back(); // closed by hand: the list's address returns
  placeToasts();
}

document.addEventListener("close", (event) => { if (event.target.matches("dialog")) closed(event.target); }, true);

/* --- Menus: <details class="menu"> --- */

function placeMenu(menu) {
  const panel = one(".menu-panel", menu);
  Object.assign(panel.style, { position: "fixed", left: "0", right: "auto" }); // as wide as it will be
  const anchor = one("summary", menu).getBoundingClientRect();
  const { width, height } = panel.getBoundingClientRect();
  const left = menu.closest(".filters") ? anchor.left : anchor.right - width;
  const below = anchor.bottom + 4 + height <= innerHeight;
  Object.assign(panel.style, {
    bottom: "auto",
    left: `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`,
    top: `${below ? anchor.bottom + 4 : Math.max(8, Math.min(anchor.top, innerHeight) - height - 4)}px`,
  });
}

const closeMenus = (except) => all("details.menu[open]").forEach((menu) => { if (!menu.contains(except)) menu.open = false; });

document.addEventListener("toggle", (event) => {
  if (event.target.matches("details.menu") && event.target.open) { closeMenus(event.target); placeMenu(event.target); }
}, true);
// An open menu follows its button, which a phone's keyboard moves. Scrolling the button out of sight closes a menu in which
// nobody is at work.
function followMenus(event) {
  if (event.target.closest?.(".menu-panel")) return;
  for (const menu of all("details.menu[open]")) {
    const { top, bottom } = one("summary", menu).getBoundingClientRect();
    if (event.type === "scroll" && (bottom < 0 || top > innerHeight) && !menu.contains(document.activeElement)) menu.open = false;
    else placeMenu(menu);
  }
}
addEventListener("scroll", followMenus, { capture: true, passive: true });
addEventListener("resize", followMenus);

/* --- Lists --- */

function countSelected(list) {
  const boxes = all('[name="selected"]', list);
  const chosen = boxes.filter((box) => box.checked).length;
  all("[data-selected-count]", list).forEach((place) => { place.textContent = chosen; });
  all("[data-select-all]", list).forEach((box) => {
    box.checked = chosen > 0 && chosen === boxes.length;
    box.indeterminate = chosen > 0 && chosen < boxes.length;
  });
}

const rowOf = (element) => element?.closest("tr:has(.row-link), .rows > li:has(.row-link)");
const rowsInView = () => all(".row-link", all("dialog[open]").pop() || one("main")).map(rowOf).filter(Boolean);

function moveRow(step) {
  const rows = rowsInView();
  const here = rows.indexOf(rowOf(document.activeElement));
  const row = rows[here < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.max(0, Math.min(rows.length - 1, here + step))];
  if (!row) return;
  one(".row-link", row).focus({ focusVisible: true });
  row.scrollIntoView({ block: "nearest" });
}

function copyField(button) {
  const field = one(`#${button.dataset.copies}`);
  field.select(); // where the browser keeps the clipboard to itself, Ctrl-C does the rest
  navigator.clipboard?.writeText(field.value).then(() => { one("span", button).textContent = button.dataset.copied; }, () => {});
}

/* --- Pointer --- */

document.addEventListener("click", (event) => {
  const target = event.target;
  closeMenus(target);
  if (target.matches("dialog[open]")) { // the backdrop
    const box = target.getBoundingClientRect();
    const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (!inside && !all("textarea, input:not([type=hidden])", target).some((field) => field.value !== field.defaultValue)) target.close();
    return;
  }
  const button = target.closest("[data-opens], [data-closes], [data-dismiss], [data-theme-choice], [data-fold-navigation], [data-print], [data-copies]");
  if (button) {
    if (button.dataset.opens) { closeMenus(); one(`#${button.dataset.opens}`)?.showModal(); placeToasts(); }
    else if ("closes" in button.dataset) {
      const dialog = button.closest("dialog");
      if (!dialog && button.href) return; // the page was opened by its own address: the link leads back
      event.preventDefault();
      if (dialog) dialog.close();
      else (one("main .crumb") || { click: () => history.back() }).click();
    }
    else if (button.dataset.copies) copyField(button);
    else if ("dismiss" in button.dataset) button.closest(".toast").remove();
    else if ("themeChoice" in button.dataset) chooseTheme(button.dataset.themeChoice);
    else if ("foldNavigation" in button.dataset) foldNavigation();
    else print();
    return;
  }
  const plainClick = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  const link = target.closest("a[data-drawer], a[data-dialog]");
  if (link && plainClick && window.htmx && one("#drawer")) {
    event.preventDefault();
    closeMenus();
    if ("dialog" in link.dataset) openOverlay("dialog", link.href); else openDrawer(link.href);
    return;
  }
  const row = rowOf(target);
  if (row && plainClick && !target.closest("a, button, input, select, textarea, label, details") && !String(getSelection())) one(".row-link", row).click();
}, true);

document.addEventListener("change", (event) => {
  const box = event.target;
  const list = box.closest(".list");
  if (list && box.matches("[data-select-all]")) all('[name="selected"]', list).forEach((each) => { each.checked = box.checked; });
  if (list && box.matches('[data-select-all], [name="selected"]')) countSelected(list);
  const form = box.closest("form[data-autosubmit]");
  if (form) form.requestSubmit();
});

/* --- Keyboard --- */

/* A menu that a key opens is gone through by keys: its first button has the focus. */
function press(control) {
  control.click();
  const menu = control.matches("summary") && control.parentElement;
  if (menu && menu.open) one(".menu-panel :is(button, a)", menu)?.focus();
}

addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && one("[data-search]")) {
    event.preventDefault();
    one("[data-search]").select();
    return;
  }
  if (event.key === "Escape") {
    const menu = one("details.menu[open]");
    if (menu) { event.preventDefault(); menu.open = false; one("summary", menu).focus(); }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable]")) return;
  const row = rowOf(document.activeElement);
  const overlay = all("dialog[open]").pop();
  const acts = {
    "/": () => !overlay && one("[data-search]")?.select(),
    "?": () => !overlay && one("#keys")?.showModal(),
    j: () => moveRow(1),
    k: () => moveRow(-1),
    x: () => row && one('[name="selected"]', row)?.click(),
    o: () => row && one(".row-link", row).click(),
    u: () => all('.toast form [type="submit"]', toasts()).pop()?.click(), // takes back what was done last
  };
  if (event.repeat && !"jk".includes(event.key)) return; // a key that is held acts once
  // A page's own keys: the control marked with it in this row, else one of the page (or of what lies above it) that is in
  // no row: a key must never act on a row that isn't the focused one.
  const own = event.key.length === 1 && /[a-z]/.test(event.key) && `[data-key="${event.key}"]`;
  const control = own && ((row && one(own, row)) || all(own, overlay || one("main") || document).find((each) => !rowOf(each)));
  const act = control ? () => press(control) : acts[event.key];
  if (act) { event.preventDefault(); act(); }
});

function listPageKeys() {
  const list = one("[data-page-keys]");
  if (!list) return;
  const seen = new Map(all("main [data-key]").map((control) => [control.dataset.key, control.getAttribute("aria-label") || control.dataset.keyLabel || control.innerText.trim()]));
  list.replaceChildren(...[...seen].flatMap(([key, label]) => {
    const term = document.createElement("dt");
    const mark = document.createElement("kbd");
    mark.textContent = key;
    term.append(mark);
    const words = document.createElement("dd");
    words.textContent = label.replace(new RegExp(`\\s+${key}$`, "i"), "");
    return [term, words];
  }));
}

/* --- Forms: sent once; nothing typed is lost without a word --- */

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.queued) return; // the stand keeps what is typed, also without a network
  if (form.getAttribute("aria-busy") === "true") { event.preventDefault(); event.stopImmediatePropagation(); return; }
  if (!navigator.onLine && form.method === "post") { event.preventDefault(); event.stopImmediatePropagation(); showFailure("network"); return; }
  if (form.method !== "post") return;
  form.setAttribute("aria-busy", "true");
  setTimeout(() => form.removeAttribute("aria-busy"), 10000); // a download answers without leaving the page
}, true);

/* A form in the drawer or the dialog stays there: errors come back in place, a redirect moves the page (leadflow/middleware.py). */
document.addEventListener("submit", (event) => {
  const form = event.target;
  const body = form.closest("#drawer-body, #dialog-body");
  if (!body || event.defaultPrevented || form.matches("[hx-post], [hx-get], [method=dialog], [data-download]")) return;
  event.preventDefault();
  const url = form.getAttribute("action") || body.closest("dialog").dataset.url;
  const { name, value } = event.submitter || {};
  form.noValidate ||= event.submitter?.formNoValidate ?? false; // htmx asks the form alone
  htmx.ajax(form.method.toUpperCase(), event.submitter?.getAttribute("formaction") || url, { source: form, target: body, swap: "innerHTML", values: name ? { [name]: value } : {} });
});
const freeForms = () => all('form[aria-busy="true"]').forEach((form) => form.removeAttribute("aria-busy"));
addEventListener("pageshow", freeForms);

/* --- htmx --- */

document.addEventListener("htmx:afterRequest", freeForms);
for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, (event) => {
    if (event.detail.elt.closest("[data-quiet]")) return;
    showFailure(failureKind(event.detail.xhr?.status));
    const overlay = event.detail.target?.closest("dialog[open]");
    if (overlay && !event.detail.target.children.length) overlay.close(); // nothing came: don't leave an empty drawer
  });
}
/* A row that comes back fresh keeps the place of whoever works by keys. */
let rowInHand = "";
document.addEventListener("htmx:beforeSwap", (event) => {
  const row = rowOf(event.detail.target);
  rowInHand = row && row === event.detail.target && row.contains(document.activeElement) ? row.id : "";
});
document.addEventListener("htmx:afterSettle", () => {
  if (rowInHand) one(`#${CSS.escape(rowInHand)} .row-link`)?.focus({ preventScroll: true });
  rowInHand = "";
});
document.addEventListener("htmx:afterSwap", (event) => {
  const overlay = event.detail.target.closest?.("dialog");
  if (overlay) keepIdsApart(event.detail.target);
  const title = overlay && one("[data-overlay-title]", overlay);
  if (title) {
    one("h2", overlay).textContent = title.textContent;
    title.remove();
    one(".overlay-body [autofocus]", overlay)?.focus();
  }
});
document.addEventListener("htmx:afterSettle", () => all(".list").forEach(countSelected));
document.addEventListener("htmx:load", (event) => {
  listPageKeys();
  // A ribbon wider than the screen shows where the lead stands now.
  all(".ribbon .is-current", event.detail.elt).forEach((step) => { step.parentElement.scrollLeft = step.offsetLeft - step.parentElement.offsetLeft - 96; });
});

/* --- Start --- */

/* Visitors that a stand page keeps in this browser leave it only while that page is open: say so on the others. */
function tellOfStand() {
  const template = one("#stand-waiting");
  const pages = JSON.parse(localStorage.getItem("stand-waiting") || "[]");
  if (!template || !pages.length || sessionStorage.getItem("stand-told")) return;
  sessionStorage.setItem("stand-told", "yes");
  const toast = template.content.firstElementChild.cloneNode(true);
  for (const { url, name } of pages) one("p", toast).append(" ", Object.assign(document.createElement("a"), { href: url, textContent: name }));
  toasts().append(toast);
}

function start() {
  all(".list").forEach(countSelected);
  listPageKeys();
  if (!toasts()) return;
  all(".toast", toasts()).forEach(tendToast);
  tellOfStand();
  new MutationObserver(() => all(".toast", toasts()).forEach(tendToast)).observe(toasts(), { childList: true, subtree: true });
}
start();
