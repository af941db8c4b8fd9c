/* Stand mode without a network. Each entry is first kept in this browser (IndexedDB) under a key of its own, then sent from
   there; the server takes a key once, however often it comes. An entry leaves the browser when the server has it, or when
   the person discards it. Uses `one`, `all` and `placeToasts` of app.js. Without this script the form is posted as any other. */
"use strict";

(() => {
  const page = one("#stand-page")?.dataset;
  if (!page || !window.indexedDB) return;

  const EVENT = Number(page.event);
  const ANSWER_WITHIN = 15000; // ms before a silent server counts as away
  const TOKEN_LASTS = 600000;
  const PAUSES = [3000, 6000, 15000, 30000, 60000]; // ms between attempts
  const form = () => one("#visitor");
  const queue = one("#queue");
  const me = () => JSON.parse(localStorage.getItem("stand-person") || "null");
  const remember = (user) => localStorage.setItem("stand-person", JSON.stringify(user));
  const others = "BroadcastChannel" in window ? new BroadcastChannel("stand") : null;

  /* --- What is kept --- */

  let opened;
  function database() {
    opened ||= new Promise((resolve, reject) => {
      const request = indexedDB.open("leadflow-stand", 1);
      request.onupgradeneeded = () => request.result.createObjectStore("entries", { keyPath: "key" });
      request.onsuccess = () => { request.result.onversionchange = () => request.result.close(); resolve(request.result); };
      request.onerror = () => { opened = null; reject(request.error); };
    });
    return opened;
  }

  /* Runs `work` on the entries in one transaction; what it returns comes once the disk has it. */
  async function entries(mode, work) {
    const transaction = (await database()).transaction("entries", mode, { durability: "strict" });
    let result;
    const done = new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(result);
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
    work(transaction.objectStore("entries"), (value) => { result = value; });
    return done;
  }

  const list = () => entries("readonly", (store, give) => { store.getAll().onsuccess = (event) => give(event.target.result.sort((a, b) => a.typedAt - b.typedAt)); });
  const keep = (entry) => entries("readwrite", (store) => store.put(entry));
  const forget = (key) => entries("readwrite", (store) => store.delete(key));

  /* Changes an entry if it is still as `may` wants it; null when another tab was faster. */
  const change = (key, may, changes) => entries("readwrite", (store, give) => {
    store.get(key).onsuccess = (event) => {
      const entry = event.target.result;
      if (!entry || !may(entry)) { give(null); return; }
      Object.assign(entry, changes(entry));
      store.put(entry);
      give(entry);
    };
  });

  const untried = (entry) => entry.state === "waiting" && !entry.tries; // what was tried may have arrived: it can't be changed any more
  const isFree = (entry) => entry.state === "refused" || untried(entry);

  /* --- What is shown --- */

  let connection = navigator.onLine ? "" : "offline"; // "", "offline", "sending", "trouble", "signedOut" or "blocked"
  let blockedBy = "";

  const words = (...parts) => parts.filter(Boolean).join(" · ");
  const time = (at) => new Date(at).toLocaleString(document.documentElement.lang, { dateStyle: "short", timeStyle: "short" });

  function draw(row, entry) {
    const whose = entry.by && entry.by.id !== me()?.id ? `${page.typedBy} ${entry.by.name}` : "";
    one("[data-row-name]", row).textContent = entry.shown || page.noName;
    one("[data-row-about]", row).textContent = words(time(entry.typedAt), whose);
    const reason = one("[data-row-reason]", row);
    reason.textContent = entry.reason || "";
    reason.hidden = !entry.reason;
    one("[data-row-open]", row).hidden = one("[data-row-discard]", row).hidden = !isFree(entry);
    one("[data-row-again]", row).hidden = entry.state === "waiting";
    one("[data-row-open]", row).addEventListener("click", () => open(entry.key));
    one("[data-row-again]", row).addEventListener("click", async () => {
      await change(entry.key, (it) => it.state === "refused", () => ({ state: "waiting", reason: "", errors: {} }));
      changed();
      send();
    });
    one("[data-row-discard]", row).addEventListener("click", () => {
      one("#discard").dataset.key = entry.key;
      one("[data-discard-who]").textContent = entry.shown || page.noName;
      openDialog(one("#discard"));
    });
    return row;
  }

  async function show() {
    const every = await list();
    const here = every.filter((entry) => entry.event === EVENT);
    const waiting = here.filter((entry) => entry.state === "waiting").length;
    const mend = here.length - waiting;
    const elsewhere = new Map(every.filter((entry) => entry.event !== EVENT).map((entry) => [entry.page, entry.eventName]));
    const how = { offline: page.offline, sending: waiting ? page.sending : "", trouble: page.trouble, signedOut: "", blocked: "" }[connection] || "";
    const count = words(waiting ? `${page.waiting} ${waiting}` : "", mend ? `${page.toMend} ${mend}` : "");

    const state = one(".stand-state");
    state.textContent = words(count || (how || connection ? "" : page.allSent), how, connection === "signedOut" && !waiting ? page.signedOut : "");
    state.classList.toggle("is-waiting", here.length > 0 || Boolean(connection && connection !== "sending"));

    one("[data-queue-count]").textContent = count;
    one("details", queue).hidden = !here.length;
    one("ul", queue).replaceChildren(...here.map((entry) => draw(one("#stand-row").content.firstElementChild.cloneNode(true), entry)));
    const notice = one("[data-queue-notice]");
    notice.hidden = connection !== "signedOut" && connection !== "blocked";
    one("span", notice).textContent = connection === "blocked" ? blockedBy : waiting ? `${page.signIn} ${waiting}` : page.signedOut;
    one("[data-queue-sign-in]").hidden = connection !== "signedOut";
    const other = one("[data-queue-elsewhere]");
    other.hidden = !elsewhere.size;
    one("span", other).replaceChildren(page.elsewhere, ...[...elsewhere].flatMap(([url, name]) => [" ", link(url, name)]));
    const pages = [...new Map(every.map((entry) => [entry.page, { url: entry.page, name: entry.eventName }])).values()];
    if (pages.length) localStorage.setItem("stand-waiting", JSON.stringify(pages)); else localStorage.removeItem("stand-waiting");
    queue.hidden = !here.length && notice.hidden && other.hidden;
    if (queue.hidden) state.removeAttribute("href"); else state.href = "#queue";
    if (mend) one("details", queue).open = true;
  }

  function link(url, text) {
    const anchor = document.createElement("a");
    anchor.href = url;
    anchor.textContent = text;
    return anchor;
  }

  function changed() {
    others?.postMessage("changed");
    return show();
  }

  function toast(text, url) {
    const made = one("#stand-toast").content.firstElementChild.cloneNode(true);
    one("p", made).replaceChildren(text, ...(url ? [" ", link(url, page.open)] : []));
    one("#toasts").replaceChildren(made);
  }

  function openDialog(dialog) {
    one("#toasts").replaceChildren(); // they would lie over its buttons
    dialog.showModal();
    placeToasts();
  }

  /* --- Sending --- */

  let token = "";
  let tokenAt = 0;
  let attempts = 0;
  let timer;
  let sending = false;
  let wanted = false;

  async function ask(url, options = {}) {
    return fetch(url, { cache: "no-store", redirect: "error", ...options, signal: AbortSignal.timeout?.(ANSWER_WITHIN) });
  }

  const json = async (answer) => (answer.headers.get("Content-Type")?.startsWith("application/json") ? answer.json() : {});

  /* Who is signed in, and a token to send with. False when there is nobody, or nobody who may. */
  async function greet() {
    const answer = await ask(page.state);
    if (answer.status >= 500 || answer.status === 429) throw new Error(answer.status);
    const said = await json(answer);
    tokenAt = 0;
    if (answer.status === 401) { connection = "signedOut"; return false; }
    if (!answer.ok) { connection = "blocked"; blockedBy = said.reason || (answer.status === 404 ? page.gone : page.refused); return false; }
    remember(said.user);
    token = said.token;
    tokenAt = Date.now();
    others?.postMessage("greeted");
    document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRFToken": token }));
    const unfolded = one("details", one("#stand-log"))?.open;
    one("#stand-log").innerHTML = said.log;
    if (unfolded) one("details", one("#stand-log")).open = true;
    return true;
  }

  async function post(entry) {
    const body = new URLSearchParams(entry.values);
    body.set("submission_key", entry.key);
    body.set("waited", Math.max(0, Math.round((Date.now() - entry.typedAt) / 1000)));
    if (entry.by) body.set("typed_by", entry.by.id);
    return ask(page.entry, { method: "POST", body, headers: { "X-CSRFToken": token } });
  }

  const reasonOf = (said, status) => Object.values(said.errors || {}).flat().join(" ") || said.reason || (status === 404 ? page.gone : page.refused);

  /* It surely wasn't taken, so it may still be changed. */
  const untry = (key) => change(key, (it) => it.state === "waiting", (it) => ({ tries: it.tries - 1 }));

  /* Sends what waits, oldest first, but what failed before comes after what didn't: one entry holds up no other. */
  async function sendAll() {
    const sent = [];
    let failures = 0;
    if (!navigator.onLine) throw new TypeError("no network");
    if (Date.now() - tokenAt > TOKEN_LASTS && !await greet()) return;
    const due = (await list()).filter((entry) => entry.event === EVENT && entry.state === "waiting").sort((a, b) => a.tries - b.tries || a.typedAt - b.typedAt);
    for (const { key } of due) {
      const entry = await change(key, (it) => it.state === "waiting", (it) => ({ tries: it.tries + 1 }));
      if (!entry) continue;
      let answer = await post(entry);
      let said = await json(answer);
      if (answer.status === 403 && !said.reason) { // the token is of another sign-in
        if (!await greet()) { await untry(key); return; }
        answer = await post(entry);
        said = await json(answer);
      }
      if (answer.ok && said.said) {
        await forget(key);
        sent.push(said);
        await changed();
      } else if (answer.status === 401) {
        await untry(key);
        [connection, tokenAt] = ["signedOut", 0];
        return;
      } else if (answer.status >= 500 || [200, 408, 429].includes(answer.status) || (answer.status === 403 && !said.reason)) {
        failures += 1;
        if (failures > 1) break;
      } else {
        const errors = said.errors || {};
        await change(key, (it) => it.state === "waiting", () => ({ state: "refused", reason: reasonOf(said, answer.status), errors }));
        await changed();
        if (key === latest && isEmpty()) await open(key); // nobody typed on: back to where it can be mended
      }
    }
    if (sent.length) {
      if (sent.length === 1) toast(sent[0].said, sent[0].url); else toast(`${page.sent} ${sent.length}`);
      await greet();
    }
    if (failures) throw new Error("server");
  }

  async function attempt() {
    clearTimeout(timer);
    if (connection !== "offline" || navigator.onLine) connection = "sending";
    show();
    try {
      await sendAll();
      attempts = 0;
      if (connection === "sending") connection = "";
    } catch (error) {
      connection = navigator.onLine && !(error instanceof TypeError) ? "trouble" : "offline";
      if (navigator.onLine) {
        timer = setTimeout(send, PAUSES[Math.min(attempts, PAUSES.length - 1)]);
        attempts += 1;
      }
    }
    changed();
  }

  /* One tab sends at a time; without locks two may, and the server takes each key once. */
  async function send() {
    wanted = true;
    if (sending) return;
    sending = true;
    try {
      while (wanted) {
        wanted = false;
        if (navigator.locks) await navigator.locks.request(`stand-${EVENT}`, attempt);
        else await attempt();
      }
    } finally { sending = false; }
  }

  /* --- The form --- */

  let latest = "";
  let mending = null;
  let today = "";

  const localDay = () => { const now = new Date(); return new Date(now - now.getTimezoneOffset() * 60000).toISOString().slice(0, 10); };
  const newKey = () => {
    if (crypto.randomUUID) return crypto.randomUUID();
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 15) | 64;
    bytes[8] = (bytes[8] & 63) | 128;
    return [...bytes].map((byte, at) => ([4, 6, 8, 10].includes(at) ? "-" : "") + byte.toString(16).padStart(2, "0")).join("");
  };
  const fields = () => [...form().elements].filter((field) => field.name && !["hidden", "fieldset"].includes(field.type));
  const isEmpty = () => fields().every((field) => field.name === "met_on" || (["checkbox", "radio"].includes(field.type) ? !field.checked : !field.value.trim()));

  /* Each field's value; the day of meeting only when it was chosen, as the server knows its day better. */
  const values = () => [...new FormData(form())].filter(([name, value]) => typeof value === "string" && value.trim() && !["csrfmiddlewaretoken", "submission_key"].includes(name) && !(name === "met_on" && value === today));

  function showErrors(errors) {
    all("[data-shown-error]").forEach((old) => old.remove());
    all("ul.errorlist", form()).forEach((old) => old.remove());
    let first;
    for (const [name, texts] of Object.entries(errors)) {
      const named = form().elements[name];
      const field = named instanceof RadioNodeList ? named[0] : named;
      const group = field?.closest(".field");
      const shown = document.createElement("ul");
      shown.className = "errorlist";
      shown.dataset.shownError = name;
      shown.append(...texts.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
      (group && field.type !== "hidden" ? group : one("[data-form-errors]")).append(shown);
      for (let around = group?.closest("details"); around; around = around.parentElement.closest("details")) around.open = true;
      first ||= field?.type !== "hidden" && field;
    }
    if (first) first.focus();
  }

  function fill(pairs) {
    const given = new Map();
    for (const [name, value] of pairs) given.set(name, [...(given.get(name) || []), value]);
    for (const field of fields()) {
      const its = given.get(field.name) || [];
      if (["checkbox", "radio"].includes(field.type)) field.checked = its.includes(field.value);
      else field.value = its[0] ?? (field.name === "met_on" ? today : "");
    }
    // Times of a day before are no longer offered.
    const offered = all('[name="meet"]', form()).map((box) => box.value);
    const gone = (given.get("meet") || []).filter((value) => !offered.includes(value));
    if (given.size) all("details", form()).forEach((details) => { details.open ||= all("input, textarea", details).some((field) => given.has(field.name)); });
    form().dispatchEvent(new Event("change", { bubbles: true })); // for the questions that depend on others (answers.js)
    if (gone.length) form().elements.meet_other.value = [...gone, ...(given.get("meet_other") || [])].join(", ").slice(0, 100);
  }

  /* “Tomorrow morning” is of the day on which it is ticked, not of the day on which the page was kept. */
  function turnToToday() {
    const day = localDay();
    const field = form().elements.met_on;
    if (!field.value || field.value === (today || field.defaultValue)) field.value = day;
    if (day === today) return;
    today = day;
    const times = JSON.parse(one("#stand-times").textContent)[day];
    if (times) all('[name="meet"]', form()).forEach((box, at) => { if (times[at] && !box.checked) box.value = times[at]; });
  }

  function clear() {
    mending = null;
    fill([]);
    showErrors({});
    one("#match").replaceChildren();
    all("details", form()).forEach((details) => { details.open = false; });
    form().elements.submission_key.value = newKey();
    sessionStorage.removeItem(draft);
    turnToToday();
    scrollTo({ top: 0 });
    form().elements.name.focus();
  }

  function faults() {
    const { name, phone, email, met_on: metOn } = form().elements;
    if (!name.value.trim() && !phone.value.trim() && !email.value.trim()) return { name: [page.nobody] };
    if (email.value.trim() && !/^[^@\s]+@[^@\s]+\.[^@\s.]+$/.test(email.value.trim())) return { email: [page.badEmail] };
    if (metOn.value > localDay()) return { met_on: [page.badDay] };
    return null;
  }

  let clearedAt = 0;
  async function submit() {
    if (isEmpty() && Date.now() - clearedAt < 1000) return; // the second tap of two
    const wrong = faults();
    if (wrong) { showErrors(wrong); return; }
    const { name, phone, email } = form().elements;
    const entry = {
      key: form().elements.submission_key.value || newKey(),
      event: EVENT,
      eventName: page.eventName,
      page: page.page,
      values: values(),
      shown: name.value.trim() || phone.value.trim() || email.value.trim(),
      typedAt: mending?.typedAt ?? Date.now(),
      by: mending?.by ?? me(),
      state: "waiting",
      tries: 0,
      reason: "",
      errors: {},
    };
    await keep(entry);
    latest = entry.key;
    clear();
    clearedAt = Date.now();
    if (!navigator.onLine || connection) toast(`${page.kept} ${entry.shown}`);
    navigator.storage?.persist?.().catch(() => {});
    changed();
    send();
  }

  let busy = false;
  document.addEventListener("submit", async (event) => {
    if (event.target !== form() || !form().dataset.queued) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (busy) return;
    busy = true;
    try { await submit(); } catch {
      // The browser's store is full or shut: sent as without a script, or left in the form.
      if (navigator.onLine && form().elements.csrfmiddlewaretoken) form().submit(); else showFailure("network");
    } finally { busy = false; }
  }, true);

  /* Puts an entry that wasn't taken back into the form. It stays in the list until it is registered again. */
  async function open(key) {
    if (!isEmpty()) { toast(page.busy); return; }
    const entry = await change(key, isFree, (it) => ({ state: "refused", reason: it.reason || page.held }));
    if (!entry) return;
    clear();
    fill(entry.values);
    form().elements.submission_key.value = entry.key;
    mending = entry;
    changed();
    showErrors(entry.errors || {});
  }

  document.addEventListener("click", async (event) => {
    if (!event.target.closest("[data-discard]")) return;
    const { key } = one("#discard").dataset;
    one("#discard").close();
    if (await change(key, isFree, () => ({ state: "refused" }))) await forget(key); // unless it was sent meanwhile
    if (mending?.key === key) clear();
    changed();
  });

  /* What is half typed outlives the way to the sign-in page and back. */
  const draft = `stand-draft-${EVENT}`;
  addEventListener("pagehide", () => {
    if (isEmpty()) sessionStorage.removeItem(draft);
    else sessionStorage.setItem(draft, JSON.stringify({ key: form().elements.submission_key.value, values: values(), mending }));
  });
  function takeUpDraft() {
    const kept = JSON.parse(sessionStorage.getItem(draft) || "null");
    sessionStorage.removeItem(draft);
    if (!kept || !isEmpty()) return;
    fill(kept.values);
    form().elements.submission_key.value = kept.key;
    mending = kept.mending;
  }

  /* --- A contact's code --- */

  const scanner = one("#scanner");
  const video = one("video", scanner);
  let stream;

  function takeCode(text) {
    const found = readContactCode(text);
    if (!found) return false;
    for (const [name, value] of Object.entries(found)) {
      const field = form().elements[name];
      if (!field || field.value.trim()) continue; // what was typed stays
      field.value = field.maxLength > 0 ? value.slice(0, field.maxLength) : value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
      for (let around = field.closest("details"); around; around = around.parentElement.closest("details")) around.open = true;
    }
    scanner.close();
    toast(`${page.read} ${found.name || found.company || found.email || found.phone || found.profile_url}`);
    return true;
  }

  const say = (text) => { one("[data-scan-words]").textContent = text; };

  async function scan() {
    const detector = new BarcodeDetector({ formats: ["qr_code"] });
    say("");
    video.hidden = true;
    openDialog(scanner);
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      if (!scanner.open) { stop(); return; }
      video.srcObject = stream;
      video.hidden = false;
      await video.play();
      say(page.point);
    } catch { say(page.noCamera); return; }
    while (scanner.open && stream) {
      const codes = await detector.detect(video).catch(() => []);
      if (!scanner.open || codes.some((code) => takeCode(code.rawValue))) return;
      if (codes.length) say(page.noContact);
      await new Promise((resolve) => { setTimeout(resolve, 200); });
    }
  }

  function stop() {
    stream?.getTracks().forEach((track) => track.stop());
    stream = video.srcObject = null;
  }

  async function readPhoto(file) {
    const picture = await createImageBitmap(file).catch(() => null);
    const codes = picture ? await new BarcodeDetector({ formats: ["qr_code"] }).detect(picture).catch(() => []) : [];
    if (!codes.some((code) => takeCode(code.rawValue))) say(codes.length ? page.noContact : page.noCode);
  }

  scanner.addEventListener("close", stop);
  one("input[type=file]", scanner).addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (file) readPhoto(file);
  });
  document.addEventListener("click", (event) => { if (event.target.closest("[data-scan]")) scan(); });

  async function offerScanner() {
    const formats = "BarcodeDetector" in window ? await BarcodeDetector.getSupportedFormats().catch(() => []) : [];
    one(".stand-scan").hidden = false;
    one("[data-scan]").hidden = !formats.includes("qr_code");
    one("[data-no-scan]").hidden = formats.includes("qr_code");
  }

  /* --- Start --- */

  async function start() {
    await database();
    form().dataset.queued = "yes"; // app.js leaves the form to us
    if (page.userId) remember({ id: Number(page.userId), name: page.userName });
    form().elements.submission_key.value = newKey();
    turnToToday();
    takeUpDraft();
    offerScanner();
    addEventListener("online", send);
    addEventListener("offline", () => { connection = "offline"; show(); });
    document.addEventListener("visibilitychange", () => { if (!document.hidden) { turnToToday(); send(); } });
    if (others) others.onmessage = ({ data }) => { if (data === "greeted" && ["signedOut", "blocked"].includes(connection)) send(); else show(); };
    navigator.serviceWorker?.register(page.worker).catch(() => {}); // without it the page still works while it is open
    await show();
    send();
  }
  start().catch(() => { delete form().dataset.queued; });
})();
