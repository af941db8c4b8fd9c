/* Questions that are asked only after certain answers: shown and hidden as one answers. Without a script all are shown,
   and the server ignores what needn't be asked. The comparisons are those of leads/comparisons.py. */

const folded = (text) => String(text).normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().split(/\s+/).filter(Boolean).join(" ");
const same = (item) => (typeof item === "string" ? folded(item) : item);
const asList = (value) => (Array.isArray(value) ? value : [value]);
const isDate = (value) => /^\d{4}-\d\d-\d\d$/.test(value);

function number(text) {
  const plain = String(text).replace(/\s/g, "").replace(/,(?=\d{1,2}$)/, ".").replace(/,/g, "");
  return plain === "" || Number.isNaN(Number(plain)) ? null : Number(plain);
}

function answer(question) {
  if (question.hidden) return null;
  const fields = [...question.querySelectorAll("input, textarea, select")];
  const chosen = fields.filter((field) => field.checked).map((field) => field.value);
  switch (question.dataset.kind) {
    case "yes_no": return chosen.length ? chosen[0] === "yes" : null;
    case "choice": return chosen[0] ?? null;
    case "multi_choice": return chosen;
    case "number": return number(fields[0].value);
    default: return fields[0].value.trim();
  }
}

function holds(comparison, wanted, value) {
  const blank = value === null || value === "" || (Array.isArray(value) && !value.length);
  if (comparison === "filled") return !blank;
  if (comparison === "blank") return blank;
  if (blank) return false;
  if (comparison === "at_least" || comparison === "at_most") {
    const [limit, found] = isDate(wanted) && isDate(value) ? [wanted, value] : [number(wanted), number(value)];
    if (limit === null || found === null) return false;
    return comparison === "at_least" ? found >= limit : found <= limit;
  }
  const found = asList(value).map(same);
  const sought = asList(wanted).map(same).map((item) => (typeof value === "number" ? number(item) : item));
  if (comparison === "contains") return found.some((item) => sought.some((part) => String(item).includes(String(part))));
  const meets = found.some((item) => sought.includes(item));
  return comparison === "is_not" || comparison === "none_of" ? !meets : meets;
}

function show(within) {
  for (const question of within.querySelectorAll("[data-when]")) {
    const asked = (question.closest("form") || document).querySelector(`[data-question="${CSS.escape(question.dataset.when)}"]`);
    question.hidden = !asked || !holds(question.dataset.comparison, JSON.parse(question.dataset.wanted), answer(asked));
  }
}

for (const event of ["input", "change"]) {
  document.addEventListener(event, (happened) => {
    const form = happened.target.closest("form");
    if (form?.querySelector("[data-when]")) show(form);
  });
}
document.addEventListener("htmx:load", () => show(document));
show(document);
