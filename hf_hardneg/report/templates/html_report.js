// Filters for the wrong items. Without this script all of them are shown.
const STEP = 12;
const counts = JSON.parse(document.getElementById("counts").textContent);  // task -> model -> group -> score -> 3 numbers
const hasControl = document.body.dataset.control !== undefined;
const control = document.body.dataset.control;
const items = [...document.querySelectorAll("article.mistake")].map(card => ({
  card, task: card.dataset.task, group: card.dataset.group, wrong: JSON.parse(card.dataset.wrong),
}));
const [model, kind, task, group, score] = ["model", "kind", "task", "group", "score"]
  .map(name => document.getElementById(`by-${name}`));
const status = document.getElementById("status"), more = document.getElementById("more");
let limit = STEP;

function fill(select, names, all) {
  const before = select.value;
  select.replaceChildren(new Option(all, ""), ...names.map(([value, label]) => new Option(label, value)));
  select.value = names.some(([value]) => value === before) ? before : "";
}

function fillOptions() {  // the concepts and scores of the selected benchmark
  const tasks = task.value ? [task.value] : Object.keys(counts);
  const groups = new Set(), scores = new Set();
  for (const name of tasks) {
    for (const [label, byScore] of Object.entries(counts[name][model.value])) {
      groups.add(label);
      Object.keys(byScore).filter(key => key !== "any").forEach(key => scores.add(key));
    }
  }
  fill(group, [...groups].sort().map(name => [name, name]), "all");
  fill(score, [...scores].map(name => [name, name.replaceAll("_to_", " → ").replaceAll("_", " ")]), "any");
}

const isWrong = (item, name) => item.wrong[name].length > 0 && (!score.value || item.wrong[name].includes(score.value));

function fits(item) {
  if ((task.value && item.task !== task.value) || (group.value && item.group !== group.value)) return false;
  const modelWrong = isWrong(item, model.value);
  if (!hasControl || kind.value === "wrong") return modelWrong;
  const controlWrong = isWrong(item, control);
  return kind.value === "lost" ? modelWrong && !controlWrong : !modelWrong && controlWrong;
}

function countAll() {
  const column = hasControl ? ["wrong", "lost", "won"].indexOf(kind.value) : 0;
  let total = 0;
  for (const name of task.value ? [task.value] : Object.keys(counts)) {
    for (const [label, byScore] of Object.entries(counts[name][model.value])) {
      if (!group.value || label === group.value) total += (byScore[score.value || "any"] ?? [0, 0, 0])[column];
    }
  }
  return total;
}

function show() {
  const matches = items.filter(fits);
  items.forEach(item => { item.card.hidden = true; });
  matches.slice(0, limit).forEach(item => { item.card.hidden = false; });
  const number = value => value.toLocaleString("en-US");
  status.textContent = `Showing ${Math.min(limit, matches.length)} of ${matches.length} in the sample; ` +
    `${number(countAll())} such items in all.`;
  more.hidden = matches.length <= limit;
}

function change() {
  limit = STEP;
  fillOptions();
  show();
}

if (items.length) {
  document.getElementById("filters").hidden = false;
  for (const select of [model, kind, task, group, score]) select?.addEventListener("change", change);
  more.addEventListener("click", () => {
    const next = items.filter(fits)[limit];
    limit += STEP;
    show();
    next?.card.focus({ preventScroll: true });  // the keyboard focus moves to the first new item
  });
  change();
}
