/* The board: a card is moved by pointer, by a finger (after a long press, or at once by its grip) or by keys on its grip.
   It goes to its new column at once; the server's answer decides whether it stays. Without this file the link to its
   page “Move” does it. */
"use strict";

(() => {
  const board = document.querySelector("[data-board]");
  if (!board) return;
  const said = document.getElementById("board-said");
  const THRESHOLD = 6; // pixels that the mouse moves before a press becomes a drag
  const LONG_PRESS = 350; // milliseconds that a finger rests
  const EDGE = 48; // pixels from the edge where the board scrolls by itself

  const columns = () => [...board.querySelectorAll(".board-column")];
  const columnOf = (card) => card.closest(".board-column");
  const columnFor = (stage) => columns().find((column) => column.dataset.stage === stage);
  const mayGo = (card, column) => card.dataset.mayGo?.split(" ").includes(column.dataset.stage);
  const isEnding = (column) => ["won", "lost"].includes(column.dataset.stage);

  const linkOf = (card) => card.querySelector(".row-link");
  const nameOf = (card) => linkOf(card).textContent;

  function say(words, card, column) {
    said.textContent = board.dataset[words].replace("%name%", nameOf(card)).replace("%stage%", column.dataset.label);
  }

  /* --- The menu: a card has a link, and gets a menu in its place when that is first needed --- */

  function menuOf(card) {
    const link = card.querySelector("[data-card-menu]");
    if (!link) return card.querySelector("details.menu");
    const menu = document.getElementById("card-menu").content.firstElementChild.cloneNode(true);
    const page = linkOf(card).getAttribute("href");
    menu.firstElementChild.setAttribute("aria-label", link.getAttribute("aria-label"));
    menu.querySelector("[name=seen]").value = card.dataset.stage;
    menu.querySelectorAll("[name=stage]").forEach((button) => { if (!card.dataset.mayGo.split(" ").includes(button.value)) button.remove(); });
    menu.querySelectorAll("[data-of]").forEach((each) => each.setAttribute(each.matches("form") ? "action" : "href", page + each.dataset.of));
    link.replaceWith(menu);
    return menu;
  }

  board.addEventListener("click", (event) => {
    const link = event.target.closest("[data-card-menu]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const menu = menuOf(link.closest(".board-card"));
    menu.open = true;
    menu.firstElementChild.focus();
  });

  /* --- Moving --- */

  const places = new Map(); // where a card stood whose move isn't answered yet: id → [list, the card after it]

  function moveTo(card, column) {
    if (!column || column === columnOf(card) || card.classList.contains("is-saving")) return;
    if (!mayGo(card, column)) { say("refused", card, column); return; }
    if (isEnding(column)) { // asks for the amount or the reason; the card stays until that is given
      menuOf(card).querySelector(`[data-ends="${column.dataset.stage}"]`).click();
      return;
    }
    places.set(card.id, [card.parentElement, card.nextElementSibling]);
    column.querySelector("ul").prepend(card);
    card.classList.add("is-saving");
    say("dropped", card, column);
    const token = document.getElementById("card-menu").content.querySelector("[name=csrfmiddlewaretoken]").value;
    const values = { stage: column.dataset.stage, seen: card.dataset.stage, csrfmiddlewaretoken: token };
    htmx.ajax("POST", `${linkOf(card).getAttribute("href")}move/`, { source: card, target: card, swap: "none", values }).catch(() => {}); // app.js tells of it
  }

  function putBack(card) {
    const [list, after] = places.get(card.id) || [columnFor(card.dataset.stage)?.querySelector("ul"), null];
    card.classList.remove("is-saving");
    if (!list) { card.remove(); return; }
    if (after?.parentElement === list) after.before(card); else list.prepend(card);
    say("back", card, columnOf(card));
  }

  /* The answer brings the card as it is now: at its new place, or where somebody else moved it. */
  function settle(id) {
    const card = document.getElementById(id);
    if (!card) return;
    const column = columnFor(card.dataset.stage);
    if (card.classList.contains("is-saving")) putBack(card); // no answer came, or none of ours
    else if (!column) card.remove();
    else if (columnOf(card) !== column) column.querySelector("ul").prepend(card);
    places.delete(id);
    if (focused === id) card.querySelector("[data-grip]")?.focus();
    focused = null;
  }

  function whenSwapped(id, then, frames = 120) {
    if (frames && document.getElementById(id)?.classList.contains("is-saving")) requestAnimationFrame(() => whenSwapped(id, then, frames - 1));
    else then();
  }

  document.addEventListener("htmx:afterRequest", (event) => {
    const id = event.detail.target?.id;
    if (!id?.startsWith("card-")) return;
    if (!event.detail.successful || !event.detail.xhr.responseText.includes(`id="${id}"`)) { settle(id); return; }
    whenSwapped(id, () => {
      settle(id);
      const asks = [...document.querySelectorAll("#toasts [data-asks]")].pop();
      asks?.removeAttribute("data-asks"); // asked once; the toast still leads there
      asks?.click();
    });
  });
  document.addEventListener("board-answered", () => document.getElementById("dialog").close());

  /* --- Pointer and finger --- */

  let press = null; // what is pressed and may become a drag
  let drag = null;
  let slept = 0; // the click that ends a drag opens nothing

  function lift(card, x, y) {
    const box = card.getBoundingClientRect();
    const copy = card.cloneNode(true);
    copy.removeAttribute("id");
    copy.classList.add("is-copy");
    copy.style.width = `${box.width}px`;
    copy.setAttribute("aria-hidden", "true");
    document.body.append(copy);
    drag = { card, copy, dx: x - box.left, dy: y - box.top, x, y, over: null, isMoved: true };
    card.classList.add("is-lifted");
    board.classList.add("is-dragging");
    columns().forEach((column) => column.classList.toggle("is-open", column === columnOf(card) || mayGo(card, column)));
    copy.style.left = copy.style.top = "0";
    frame();
  }

  /* Puts the copy where the pointer is now, and marks the column beneath. Once a frame: finding what lies under a point
     takes longer the more cards there are, and a mouse tells of several moves in one frame. */
  function follow() {
    const { x, y } = drag;
    drag.copy.style.transform = `translate(${x - drag.dx}px, ${y - drag.dy}px) rotate(1deg)`;
    const over = document.elementFromPoint(x, y)?.closest(".board-column") || null;
    if (over === drag.over) return;
    drag.over?.classList.remove("is-over");
    drag.over = over;
    if (over && over !== columnOf(drag.card) && mayGo(drag.card, over)) over.classList.add("is-over");
  }

  function frame() {
    if (!drag) return;
    scrollAtEdges();
    if (drag.isMoved) follow();
    drag.isMoved = false;
    requestAnimationFrame(frame);
  }

  function scrollAtEdges() {
    const box = board.getBoundingClientRect();
    const left = Math.max(0, box.left), right = Math.min(innerWidth, box.right);
    const across = drag.x < left + EDGE ? -10 : drag.x > right - EDGE ? 10 : 0;
    const down = drag.y < EDGE + 56 ? -10 : drag.y > innerHeight - EDGE ? 10 : 0;
    if (across) board.scrollLeft += across;
    if (down) scrollBy(0, down);
    if (across || down) drag.isMoved = true; // not the pointer, but what is beneath it
  }

  function drop(isMeant) {
    follow();
    const { card, copy, over } = drag;
    drag = null;
    copy.remove();
    card.classList.remove("is-lifted");
    board.classList.remove("is-dragging");
    columns().forEach((column) => column.classList.remove("is-over", "is-open"));
    slept = performance.now();
    if (isMeant && over) moveTo(card, over);
  }

  const release = () => { clearTimeout(press?.timer); press = null; };

  board.addEventListener("pointerdown", (event) => {
    const card = event.target.closest(".board-card[data-may-go]");
    const grip = event.target.closest("[data-grip]");
    if (!card || drag || event.button !== 0 || !event.isPrimary || card.classList.contains("is-saving")) return;
    if (!grip && event.target.closest("button, summary, .menu-panel, a:not(.row-link)")) return;
    release();
    press = { card, id: event.pointerId, x: event.clientX, y: event.clientY, isTouch: event.pointerType === "touch" && !grip };
    if (press.isTouch) press.timer = setTimeout(() => { if (press) { navigator.vibrate?.(15); lift(press.card, press.x, press.y); } }, LONG_PRESS);
  });
  addEventListener("pointermove", (event) => {
    if (!press || event.pointerId !== press.id) return;
    if (drag) { Object.assign(drag, { x: event.clientX, y: event.clientY, isMoved: true }); return; }
    const moved = Math.hypot(event.clientX - press.x, event.clientY - press.y);
    if (press.isTouch) { if (moved > THRESHOLD * 2) release(); } // the page is being scrolled
    else if (moved > THRESHOLD) lift(press.card, press.x, press.y);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    addEventListener(name, (event) => {
      if (!press || event.pointerId !== press.id) return;
      release();
      if (drag) drop(name === "pointerup");
    });
  }
  // Once a card is lifted the finger moves it, and not the page.
  board.addEventListener("touchmove", (event) => { if (drag) event.preventDefault(); }, { passive: false });
  board.addEventListener("contextmenu", (event) => { if (press?.isTouch || drag) event.preventDefault(); });
  board.addEventListener("dragstart", (event) => { if (event.target.closest(".board-card")) event.preventDefault(); });
  addEventListener("click", (event) => {
    if (performance.now() - slept < 250 && event.isTrusted && event.detail > 0) { event.preventDefault(); event.stopPropagation(); }
  }, { capture: true });

  /* --- Keys --- */

  let lifted = null; // {card, column}: lifted by a key
  let focused = null; // id of the card whose grip has the focus when it comes back

  function letGo() {
    lifted.card.classList.remove("is-lifted");
    lifted.card.querySelector("[data-grip]").removeAttribute("aria-pressed");
    board.classList.remove("is-dragging");
    columns().forEach((column) => column.classList.remove("is-over", "is-open"));
    lifted = null;
  }

  board.addEventListener("keydown", (event) => {
    const grip = event.target.closest("[data-grip]");
    const card = grip?.closest(".board-card[data-may-go]");
    if (!card || event.ctrlKey || event.metaKey || event.altKey) return;
    const isDrop = event.key === " " || event.key === "Enter";
    if (!lifted) {
      if (!isDrop) return;
      event.preventDefault();
      lifted = { card, column: columnOf(card) };
      card.classList.add("is-lifted");
      grip.setAttribute("aria-pressed", "true");
      board.classList.add("is-dragging");
      columns().forEach((column) => column.classList.toggle("is-open", column === lifted.column || mayGo(card, column)));
      say("lifted", card, lifted.column);
      return;
    }
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      const open = columns().filter((column) => column.classList.contains("is-open"));
      lifted.column.classList.remove("is-over");
      lifted.column = open[Math.max(0, Math.min(open.length - 1, open.indexOf(lifted.column) + step))];
      lifted.column.classList.add("is-over");
      lifted.column.scrollIntoView({ block: "nearest", inline: "nearest" });
      say("over", card, lifted.column);
    } else if (isDrop || event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      const { column } = lifted;
      letGo();
      if (!isDrop || column === columnOf(card)) { say("back", card, columnOf(card)); return; }
      focused = card.id;
      moveTo(card, column);
      if (card.classList.contains("is-saving")) card.querySelector("[data-grip]").focus();
    }
  });
  // `focusout` comes also when the card itself is moved; then it isn't lifted any more.
  board.addEventListener("focusout", () => { if (lifted) { const { card } = lifted; letGo(); say("back", card, columnOf(card)); } });

  /* --- A page that comes back after a step is where it was left --- */

  addEventListener("pagehide", () => sessionStorage.setItem("board", JSON.stringify({ url: location.href, x: board.scrollLeft, y: scrollY })));
  const left = JSON.parse(sessionStorage.getItem("board") || "null");
  if (left?.url === location.href) { board.scrollLeft = left.x; scrollTo(0, left.y); }
})();
