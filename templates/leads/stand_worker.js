{% load l10n %}/* The service worker of one event's stand: opens the page without a network. What is typed there is kept and sent by the
   page itself (static/leadflow/stand.js). Kept are the page as it is for nobody, its styles and its scripts. */
"use strict";

const VERSION = "{{ version }}";
const CACHE = "stand-{{ pk|unlocalize }}-{{ version }}";
const PAGE = "{% url 'leads:stand' pk %}";
const SHELL = "{% url 'leads:stand_shell' pk %}";
const FILES = [{% for file in files %}"{{ file }}"{% if not forloop.last %}, {% endif %}{% endfor %}];
const PATIENCE = 4000; // ms that a page may take before the kept one is shown

/* Keeps the page as the server draws it now, unless that needs other files than the kept ones: then a new worker comes. */
async function keepShell() {
  const answer = await fetch(SHELL, { cache: "no-store", redirect: "error" });
  if (!answer.ok || answer.headers.get("X-Stand-Version") !== VERSION) throw new Error("another version");
  await (await caches.open(CACHE)).put(SHELL, answer);
}

self.addEventListener("install", (event) => {
  event.waitUntil((async () => {
    const cache = await caches.open(CACHE);
    await cache.addAll(FILES.map((file) => new Request(file, { cache: "no-cache" })));
    await keepShell();
    await self.skipWaiting();
  })());
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    const old = (await caches.keys()).filter((name) => name.startsWith("stand-{{ pk|unlocalize }}-") && name !== CACHE);
    await Promise.all(old.map((name) => caches.delete(name)));
    await self.clients.claim();
  })());
});

const kept = async (what) => (await caches.open(CACHE)).match(what, { ignoreVary: true });

/* The page from the server while that answers in time, so that it is never older than it need be. */
async function page(event) {
  const shell = await kept(SHELL);
  const fresh = fetch(event.request).then((answer) => {
    if (answer.status >= 500 && shell) throw new Error(answer.status);
    if (answer.ok) event.waitUntil(keepShell().catch(() => {}));
    return answer;
  });
  if (!shell) return fresh;
  const late = new Promise((resolve) => { setTimeout(resolve, PATIENCE, shell); });
  return Promise.race([fresh.catch(() => shell), late]);
}

self.addEventListener("fetch", (event) => {
  const { method, mode, url } = event.request;
  const { origin, pathname } = new URL(url);
  if (method !== "GET" || origin !== location.origin) return;
  if (mode === "navigate" && pathname === PAGE) event.respondWith(page(event));
  else if (FILES.includes(pathname)) event.respondWith(kept(pathname).then((file) => file || fetch(event.request)));
});
