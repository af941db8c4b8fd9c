/* What a contact's code says: vCard 2.1 to 4.0 (RFC 6350), MECARD, or an address, phone or link alone.
   readContactCode(text) gives { name, phone, email, company, job_title, profile_url, note }, each a string and only those
   that are there; null when the text holds no contact. It touches no page, so that it can be tested by itself. */
"use strict";

{
  const tidy = (text) => (text || "").replace(/[\u0000-\u001f\u007f\ufeff]+/g, " ").replace(/\s+/g, " ").trim();

  /* Splits where `mark` stands without a backslash before it; the parts keep their backslashes. */
  function split(text, mark) {
    const parts = [""];
    for (let at = 0; at < text.length; at += 1) {
      if (text[at] === "\\" && at + 1 < text.length) { parts[parts.length - 1] += text[at] + text[at + 1]; at += 1; }
      else if (text[at] === mark) parts.push("");
      else parts[parts.length - 1] += text[at];
    }
    return parts;
  }

  const unescape = (text) => text.replace(/\\(.)/gs, (whole, letter) => (letter === "n" || letter === "N" ? "\n" : letter));

  function fromQuotedPrintable(text, charset) {
    const bytes = [];
    const soft = text.replace(/=\r?\n/g, "");
    const encoder = new TextEncoder();
    for (let at = 0; at < soft.length; at += 1) {
      const code = soft[at] === "=" && /^[0-9A-Fa-f]{2}$/.test(soft.slice(at + 1, at + 3));
      if (code) { bytes.push(parseInt(soft.slice(at + 1, at + 3), 16)); at += 2; }
      else { const letter = String.fromCodePoint(soft.codePointAt(at)); bytes.push(...encoder.encode(letter)); at += letter.length - 1; }
    }
    const all = new Uint8Array(bytes);
    for (const name of [charset, "utf-8"]) {
      try { return new TextDecoder(name, { fatal: true }).decode(all); } catch { /* not in that one */ }
    }
    return new TextDecoder("windows-1252").decode(all);
  }

  /* A line as { name, params, value }; null for what is none. A colon inside quotes belongs to a parameter. */
  function property(line) {
    let quoted = false;
    let colon = -1;
    for (let at = 0; at < line.length && colon < 0; at += 1) {
      if (line[at] === '"') quoted = !quoted;
      else if (line[at] === ":" && !quoted) colon = at;
    }
    if (colon < 1) return null;
    const [head, ...rest] = line.slice(0, colon).match(/(?:[^;"]|"[^"]*")+/g) || [""];
    const params = {};
    for (const param of rest) {
      const [key, ...values] = param.split("=");
      const value = values.join("=").replace(/"/g, "").toUpperCase();
      const bare = /^(QUOTED-PRINTABLE|BASE64|8BIT|7BIT)$/i.test(key) ? "ENCODING" : "TYPE"; // 2.1 leaves the name out
      const name = values.length ? key.trim().toUpperCase() : bare;
      params[name] = [params[name], values.length ? value : key.trim().toUpperCase()].filter(Boolean).join(",");
    }
    let value = line.slice(colon + 1);
    if (/QUOTED-PRINTABLE/.test(params.ENCODING || "")) value = fromQuotedPrintable(value, params.CHARSET || "utf-8");
    return { name: head.split(".").pop().trim().toUpperCase(), params, value };
  }

  /* Which of several phones or addresses comes first: the preferred, then the mobile, then the one of work; no fax. */
  function rank({ params }) {
    const type = params.TYPE || "";
    if (/FAX|PAGER/.test(type)) return 9;
    if (params.PREF) return Math.min(Number(params.PREF) || 1, 100) / 1000;
    return /PREF/.test(type) ? 0 : /CELL|MOBILE/.test(type) ? 1 : /WORK/.test(type) ? 2 : 3;
  }

  const phone = (text) => tidy(decode(text.replace(/^tel:/i, "").split(";")[0]));
  const email = (text) => tidy(decode(text.replace(/^mailto:/i, "").split("?")[0]));

  function decode(text) {
    try { return decodeURIComponent(text); } catch { return text; }
  }

  const family = (parts) => [parts[3], parts[1], parts[2], parts[0], parts[4]].map((part) => tidy(unescape(part || ""))).filter(Boolean).join(" ");

  function fromVCard(text) {
    // Quoted-printable goes on after "=", everything else where a line begins with a blank.
    const lines = text.replace(/\r\n?/g, "\n").replace(/^[^\n:]*QUOTED-PRINTABLE[^\n]*(?:(?<==)\n[^\n]*)*/gim, (whole) => whole.replace(/=\n[ \t]?/g, "")).replace(/\n[ \t]/g, "").split("\n");
    const start = lines.findIndex((line) => /^BEGIN:VCARD\s*$/i.test(line));
    const rest = lines.slice(start + 1);
    const end = rest.findIndex((line) => /^END:VCARD\s*$/i.test(line));
    const all = (end < 0 ? rest : rest.slice(0, end)).map(property).filter(Boolean);
    const of = (name) => all.filter((each) => each.name === name && each.value.trim()).sort((a, b) => rank(a) - rank(b));
    const first = (name) => of(name)[0]?.value || "";
    return {
      name: tidy(unescape(first("FN"))) || family(split(first("N"), ";")),
      phone: phone(unescape(first("TEL"))),
      email: email(unescape(first("EMAIL"))),
      company: tidy(unescape(split(first("ORG"), ";")[0])),
      job_title: tidy(unescape(first("TITLE") || first("ROLE"))),
      profile_url: link(unescape(first("URL"))),
      note: unescape(first("NOTE")).trim(),
    };
  }

  function fromMeCard(text) {
    const all = {};
    for (const field of split(text.replace(/^MECARD:/i, ""), ";")) {
      const [name, ...value] = split(field, ":");
      if (value.length && !all[name.trim().toUpperCase()]) all[name.trim().toUpperCase()] = value.join(":");
    }
    const [last, ...given] = split(all.N || "", ",");
    return {
      name: [...given, last].map((part) => tidy(unescape(part))).filter(Boolean).join(" "),
      phone: phone(unescape(all.TEL || "")),
      email: email(unescape(all.EMAIL || "")),
      company: tidy(unescape(all.ORG || "")),
      job_title: tidy(unescape(all.TITLE || "")),
      profile_url: link(unescape(all.URL || "")),
      note: unescape(all.NOTE || all.MEMO || "").trim(),
    };
  }

  /* An address of the web, whole; empty for anything else, above all for javascript:. */
  function link(text) {
    const typed = tidy(text);
    if (!typed || /\s/.test(typed)) return "";
    try {
      const url = new URL(/^[a-z][a-z0-9+.-]*:/i.test(typed) ? typed : `https://${typed}`);
      return /^https?:$/.test(url.protocol) && url.hostname.includes(".") ? url.href : "";
    } catch { return ""; }
  }

  globalThis.readContactCode = (text) => {
    const said = String(text ?? "").replace(/^\ufeff/, "").trim();
    let found = {};
    if (/^BEGIN:VCARD\s/i.test(said)) found = fromVCard(said);
    else if (/^MECARD:/i.test(said)) found = fromMeCard(said);
    else if (/^mailto:/i.test(said)) found = { email: email(said) };
    else if (/^tel:/i.test(said)) found = { phone: phone(said) };
    else if (/^[^\s@:/]+@[^\s@:/]+\.[^\s@:/]+$/.test(said)) found = { email: said };
    else if (/^\+?[\d\s()./-]{5,30}$/.test(said) && said.replace(/\D/g, "").length >= 5) found = { phone: tidy(said) };
    else found = { profile_url: link(said) };
    found = Object.fromEntries(Object.entries(found).filter(([, value]) => value));
    return Object.keys(found).length ? found : null;
  };
}
