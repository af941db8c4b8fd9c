/* The order of a list by dragging: <ol data-sortable="id of a form"> whose items have a [data-grip].
   Dropping sends that form; the arrow keys on a grip do the same. Without this file the buttons beside each item do. */
"use strict";

(() => {
  const list = document.querySelector("[data-sortable]");
  if (!list) return;
  const form = document.getElementById(list.dataset.sortable);
  const order = () => [...list.children].map((item) => item.id).join(" ");
  const send = (before) => { if (order() !== before) form.requestSubmit(); };

  list.addEventListener("pointerdown", (event) => {
    const grip = event.target.closest("[data-grip]");
    if (!grip || event.button !== 0) return;
    event.preventDefault();
    const item = grip.closest("li");
    const before = order();
    item.classList.add("is-dragged");
    const move = (moved) => {
      moved.preventDefault();
      const over = document.elementFromPoint(list.getBoundingClientRect().left + 24, moved.clientY)?.closest("li");
      if (moved.clientY < 80) scrollBy(0, -12); else if (moved.clientY > innerHeight - 80) scrollBy(0, 12);
      if (!over || over === item || over.parentElement !== list) return;
      const box = over.getBoundingClientRect();
      if (moved.clientY > box.top + box.height / 2) over.after(item); else over.before(item);
    };
    const end = (ended) => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", end);
      removeEventListener("pointercancel", end);
      item.classList.remove("is-dragged");
      if (ended.type === "pointerup") send(before); else location.reload();
    };
    addEventListener("pointermove", move, { passive: false });
    addEventListener("pointerup", end);
    addEventListener("pointercancel", end);
  });

  list.addEventListener("keydown", (event) => {
    const item = event.target.closest("[data-grip]")?.closest("li");
    const other = event.key === "ArrowUp" ? item?.previousElementSibling : event.key === "ArrowDown" ? item?.nextElementSibling : null;
    if (!other) return;
    event.preventDefault();
    const before = order();
    if (event.key === "ArrowUp") other.before(item); else other.after(item);
    sessionStorage.setItem("grip", item.id); // where the page comes back to
    send(before);
  });
  const kept = sessionStorage.getItem("grip");
  sessionStorage.removeItem("grip");
  if (kept) document.getElementById(kept)?.querySelector("[data-grip]")?.focus();
})();
