// The script of the review page. gr.HTML runs review_keys.js and this file once. `element` holds review.html, `server`
// has the methods of desk.Desk, and `props.value` names the set. Captions and prompts enter the page as text, never as
// HTML.
const $ = (id) => element.querySelector("#" + id);
const root = $("review"), panes = $("r-panes"), text = $("r-text"), prompt = $("r-prompt");
const FLICKER_MS = 450;
// Keys do nothing for this long after a new photo appears: a double press must not decide on it.
const GUARD_MS = 150;
const CHOICES = { color: "another color", object: "another thing", size: "another size" };

let worker = localStorage.getItem("hf-hardneg/worker") || "";
let item = null, draft = null, last = null, since = null, flicker = null, poll = null, box = [0, 0, 1, 1], aspect = 4 / 3;
const prefs = { masked: true, zoomed: false };

// ---- State that survives a reload: the drafts of items, and a decision that the server has not confirmed.
const name = (what) => `hf-hardneg/${props.value}/${worker}/${what}`;
const save = (what, value) => localStorage.setItem(name(what), JSON.stringify(value));
const load = (what) => JSON.parse(localStorage.getItem(name(what)) || "null");

function saveDraft() {
  tick();
  const drafts = (load("drafts") || []).filter((one) => one.key !== draft.key).slice(-20);
  save("drafts", [...drafts, draft]); // keeps earlier drafts, so that an undo restores what was typed
}

function tick() { // counts the time while the tab is visible
  const now = performance.now();
  if (since !== null && draft) draft.seconds += (now - since) / 1000;
  since = document.hidden || state() === "name" || state() === "end" ? null : now;
}

// ---- Calls
const state = (value) => (value ? (root.dataset.state = value) : root.dataset.state);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function showMessage(words, isBad = false) {
  $("r-message").textContent = words || "";
  $("r-message").classList.toggle("bad", isBad);
}

async function call(method, data) { // retries until the server answers
  for (let wait = 400; ; wait = Math.min(wait * 1.5, 2000)) {
    let failure = "The server does not answer. Your last action is kept here and sent as soon as it answers.";
    const answer = (await server[method]({ ...data, worker }).catch(() => null)) || {};
    if (answer.progress) return answer;
    const login = answer.failure ? null : await fetch("gradio_api/login_check").catch(() => null);
    if (login?.status === 401) location.reload(); // shows the login page, after which the review continues
    failure = answer.failure || failure;
    showMessage(failure, true);
    await sleep(wait);
  }
}

async function act(method, data, done) {
  state("busy");
  if (method !== "try_again") save("pending", { method, data });
  const answer = await call(method, data);
  localStorage.removeItem(name("pending"));
  await show(answer, done);
  return answer;
}

async function begin() {
  $("r-worker").textContent = worker;
  const pending = load("pending");
  if (pending) return act(pending.method, pending.data, "Your earlier decision was sent.");
  return show(await call("begin", {}));
}

// ---- Showing an item
async function show(answer, done) {
  const { progress } = answer;
  clearTimeout(poll);
  last = answer.last;
  for (const id of ["r-undo", "r-back"]) $(id).disabled = !last;
  $("r-bar").max = progress.total;
  $("r-bar").value = progress.done;
  $("r-progress").textContent = `${progress.done} of ${progress.total} done, ${progress.yours} by you`;
  document.title = `${progress.done}/${progress.total} reviewed`;
  showMessage(answer.message || done, Boolean(answer.message));
  if (!answer.item) return end(progress);
  const before = item && item.key === answer.item.key ? item.candidates.length : 0;
  const images = await loadAll(answer.item);
  if (item && draft && item.key !== answer.item.key) saveDraft();
  item = answer.item;
  if (!before) {
    const kept = (load("drafts") || []).find((one) => one.key === item.key);
    draft = { key: item.key, captions: {}, quality: null, seconds: 0, ...kept };
    since = null;
  }
  const fresh = item.candidates.length > before && before;
  if (fresh || !item.candidates.some((one) => one.index === draft.index)) draft.index = item.candidates.at(fresh ? -1 : 0).index;
  draw(images);
  for (const url of answer.preload) new Image().src = url;
  root.dataset.key = item.key;
  state("shown");
  saveDraft();
  setTimeout(() => state() === "shown" && state("ready"), GUARD_MS);
}

async function loadAll(one) {
  const urls = [one.photo, ...one.candidates.flatMap((candidate) => [candidate.image, candidate.mask])];
  const images = new Map(urls.map((url) => [url, Object.assign(new Image(), { src: url })]));
  await Promise.all([...images.values()].map((image) => image.decode().catch(() => showMessage("A photo cannot be loaded.", true))));
  return images;
}

function draw(images) {
  const photo = images.get(item.photo);
  aspect = photo.naturalWidth / photo.naturalHeight || 4 / 3;
  const original = pane("Original", photo, document.createElement("canvas"));
  const edits = item.candidates.map((one, i) => {
    const edit = images.get(one.image);
    edit.className = "edit";
    const label = one.prompt && one.prompt !== one.word ? `${one.word}: ${one.prompt}` : one.word;
    const figure = pane(item.candidates.length > 1 ? `${i + 1}: ${label}` : label, photo.cloneNode(), edit);
    figure.dataset.candidate = one.index;
    figure.onclick = () => choose(one.index);
    figure.mask = images.get(one.mask);
    return figure;
  });
  panes.replaceChildren(original, ...edits);
  panes.classList.toggle("several", edits.length > 1);
  $("r-next").disabled = edits.length < 2;
  $("r-concept").textContent = item.concept;
  prompt.placeholder = CHOICES[item.concept] || "something else";
  layout();
  choose(draft.index);
  rate(draft.quality);
}

function pane(label, ...layers) {
  const figure = document.createElement("figure"), stage = document.createElement("div");
  const title = document.createElement("figcaption"), words = document.createElement("span");
  figure.className = "pane";
  stage.className = "stage";
  words.textContent = label;
  title.append(words);
  stage.append(...layers);
  figure.append(stage, title);
  return figure;
}

function layout() { // chooses the number of columns that makes the photos largest
  const count = panes.children.length, gap = 8;
  let best = { width: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const width = Math.min((panes.clientWidth - gap * (columns - 1)) / columns, ((panes.clientHeight - gap * (rows - 1)) / rows) * aspect);
    if (width > best.width) best = { width: Math.floor(width), columns };
  }
  panes.style.gridTemplateColumns = `repeat(${best.columns || 1}, ${best.width}px)`;
  panes.style.setProperty("--w", `${best.width}px`);
  panes.style.setProperty("--h", `${Math.floor(best.width / aspect)}px`);
}

function choose(index) {
  draft.index = index;
  for (const figure of panes.children) figure.classList.toggle("chosen", figure.dataset.candidate === String(index));
  outline(panes.querySelector(".chosen").mask);
  zoom();
  leave();
  drawCaptions();
}

function outline(mask) { // draws the outline of the change on the original, and sets its bounding box for the zoom
  const canvas = panes.querySelector("canvas"), width = mask.naturalWidth, height = mask.naturalHeight;
  box = [0, 0, 1, 1];
  if (!width) return;
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(mask, 0, 0);
  const pixels = context.getImageData(0, 0, width, height), data = pixels.data;
  const inside = new Uint8Array(width * height), reach = Math.max(1, Math.round(width / 320));
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let i = 0; i < inside.length; i++) {
    if (data[4 * i] < 128) continue;
    inside[i] = 1;
    const x = i % width, y = (i - x) / width;
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
  }
  for (let i = 0; i < inside.length; i++) {
    const steps = [reach, -reach, reach * width, -reach * width];
    const isEdge = !inside[i] && steps.some((step) => inside[i + step]);
    const isInnerEdge = inside[i] && steps.some((step) => inside[i + step] === 0); // dark beside bright, so that it is visible on any photo
    data.set(isEdge ? [255, 0, 200, 255] : isInnerEdge ? [0, 0, 0, 110] : [0, 0, 0, 0], 4 * i);
  }
  context.putImageData(pixels, 0, 0);
  if (right > left) box = [left / width, top / height, right / width, bottom / height];
}

function zoom() {
  const [left, top, right, bottom] = prefs.zoomed ? box : [0, 0, 1, 1];
  const scale = prefs.zoomed ? Math.max(1, Math.min(5, 0.75 / Math.max(right - left, bottom - top))) : 1;
  const shift = (middle) => 100 * Math.min(0, Math.max(1 - scale, 0.5 - scale * middle));
  const transform = `translate(${shift((left + right) / 2)}%, ${shift((top + bottom) / 2)}%) scale(${scale})`;
  for (const stage of panes.querySelectorAll(".stage")) stage.style.transform = transform;
  for (const [id, on] of [["r-mask", prefs.masked], ["r-zoom", prefs.zoomed], ["r-flicker", flicker !== null]])
    $(id).setAttribute("aria-pressed", on);
  root.classList.toggle("masked", prefs.masked);
}

// ---- Captions
const chosen = () => item.candidates.find((one) => one.index === draft.index);
const caption = () => draft.captions[draft.index] ?? chosen().caption;
const split = (words) => words.split(/\s+/).filter(Boolean);

function changed(ours, theirs) { // for each of our words: true if it is not in the longest common subsequence
  const table = Array.from({ length: ours.length + 1 }, () => new Array(theirs.length + 1).fill(0));
  for (let i = ours.length - 1; i >= 0; i--)
    for (let j = theirs.length - 1; j >= 0; j--)
      table[i][j] = ours[i] === theirs[j] ? 1 + table[i + 1][j + 1] : Math.max(table[i + 1][j], table[i][j + 1]);
  const flags = ours.map(() => true);
  for (let i = 0, j = 0; i < ours.length && j < theirs.length; ) {
    if (ours[i] === theirs[j]) (flags[i++] = false), j++;
    else if (table[i + 1][j] >= table[i][j + 1]) i++;
    else j++;
  }
  return flags;
}

function drawMarked(target, words, flags) {
  const line = document.createElement("span");
  for (let i = 0; i < words.length; i++) {
    let piece = words[i];
    if (i) line.append(" ");
    while (flags[i] && flags[i + 1]) piece += " " + words[++i];
    const mark = document.createElement(flags[i] ? "mark" : "span");
    mark.textContent = piece;
    line.append(mark);
  }
  target.replaceChildren(line);
}

function drawCaptions() {
  const ours = split(item.caption), theirs = split(caption());
  drawMarked($("r-original"), ours, changed(ours, theirs));
  drawMarked($("r-caption"), theirs, changed(theirs, ours));
}

function edit() {
  if (!/shown|ready/.test(state())) return;
  root.classList.add("editing");
  text.value = caption();
  text.focus();
  const mark = $("r-caption").querySelector("mark"), start = mark ? text.value.indexOf(mark.textContent) : -1;
  text.setSelectionRange(start < 0 ? 0 : start, start < 0 ? text.value.length : start + mark.textContent.length);
}

function leave() {
  root.classList.remove("editing");
  if (element.contains(document.activeElement)) document.activeElement.blur();
}

// ---- Actions of the reviewer
function rate(quality) {
  draft.quality = quality;
  for (const button of $("r-quality").querySelectorAll("button"))
    button.setAttribute("aria-pressed", Number(button.dataset.quality) === quality);
}

function decide(verdict) {
  if (state() !== "ready") return;
  saveDraft();
  const candidate = verdict === "accept" ? draft.index : null, seconds = Math.round(10 * draft.seconds) / 10;
  act("decide", { key: item.key, verdict, candidate, caption: caption(), quality: draft.quality, seconds },
    verdict === "accept" ? "Accepted. U takes it back." : "Rejected. U takes it back.");
}

const undo = () => last && /ready|end/.test(state()) && act("take_back", { key: last }, "Taken back: decide again.");

async function tryAgain() {
  if (!/shown|ready/.test(state())) return;
  const count = item.candidates.length, key = item.key;
  showMessage(`Making another one: ${prompt.value} …`);
  await act("try_again", { key, prompt: prompt.value }, "Here is another candidate.");
  if (item.key !== key || item.candidates.length > count) prompt.value = "";
  else prompt.focus();
}

function peek(on) { root.classList.toggle("peeking", on); }

function toggleFlicker() {
  flicker = flicker === null ? setInterval(() => root.classList.toggle("peeking"), FLICKER_MS) : clearInterval(flicker) ?? null;
  peek(flicker !== null);
  zoom();
}

function step(by) {
  const indexes = item.candidates.map((one) => one.index);
  choose(indexes.at((indexes.indexOf(draft.index) + by) % indexes.length));
  saveDraft();
}

function toggle(what) {
  prefs[what] = !prefs[what];
  zoom();
}

function quality(value) {
  rate(value === draft.quality || value === 0 ? null : value);
  saveDraft();
}

function end(progress) {
  saveDraftIfAny();
  state("end");
  tick();
  item = draft = null;
  const left = progress.total - progress.done;
  const [title, words] = $("r-end").querySelectorAll("h1, p");
  title.textContent = left ? "Nothing left for you" : "All reviewed";
  words.textContent =
    (left ? `${left === 1 ? "1 item is" : left + " items are"} with other reviewers now. If one becomes free, it appears here. ` : "") +
    `You reviewed ${progress.yours} and accepted ${progress.accepted}. Everything is saved.`;
  if (left) poll = setTimeout(() => state() === "end" && begin(), 5000);
}

function saveDraftIfAny() { if (draft) saveDraft(); }

function askName() {
  saveDraftIfAny();
  state("name");
  tick();
  const input = $("r-name").querySelector("input");
  input.value = worker;
  input.focus();
}

// ---- Keys and buttons
const ACTIONS = { // by their names in review_keys.js
  accept: () => decide("accept"), reject: () => decide("reject"), undo, editCaption: edit, tryAgain: () => prompt.focus(),
  flicker: toggleFlicker, mask: () => toggle("masked"), zoom: () => toggle("zoomed"), showOriginal: () => peek(true),
  nextCandidate: () => step(1), previousCandidate: () => step(-1), clearQuality: () => quality(0),
};
for (let value = 1; value <= 5; value++) ACTIONS[`quality${value}`] = () => quality(value);

function keyOf(event) { // on keyboards without Latin letters, the position of the key counts
  const key = event.key.toLowerCase();
  return key in KEYS || !event.code.startsWith("Key") ? key : event.key.charCodeAt(0) > 127 ? event.code.slice(3).toLowerCase() : key;
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  const typing = event.target.closest?.("input, textarea");
  if (typing) {
    if (event.key === "Escape" || (event.key === "Enter" && typing === text)) { event.preventDefault(); leave(); }
    else if (event.key === "Enter" && typing === prompt) tryAgain();
    return;
  }
  const run = ACTIONS[KEYS[keyOf(event)]];
  if (!run || event.ctrlKey || event.metaKey || event.altKey) return;
  if (state() === "end" ? run !== undo : !/shown|ready/.test(state())) return;
  if (event.key === " " && event.target.closest?.("button")) return; // here it presses the button
  event.preventDefault();
  if (!event.repeat) run();
});
document.addEventListener("keyup", (event) => event.key === " " && flicker === null && peek(false));
window.addEventListener("blur", () => flicker === null && peek(false));

const press = (id, run) => $(id).addEventListener("click", () => (item || run === undo) && run());
press("r-accept", ACTIONS.accept); press("r-reject", ACTIONS.reject); press("r-undo", undo); press("r-back", undo); press("r-edit", edit);
press("r-flicker", toggleFlicker); press("r-mask", ACTIONS.mask); press("r-zoom", ACTIONS.zoom); press("r-next", ACTIONS.nextCandidate);
press("r-again", () => (prompt.value.trim() ? tryAgain() : prompt.focus()));
press("r-caption", edit);
for (const button of $("r-quality").querySelectorAll("button"))
  button.addEventListener("click", () => item && quality(Number(button.dataset.quality)));
$("r-peek").addEventListener("pointerdown", () => peek(true));
for (const kind of ["pointerup", "pointerleave"]) $("r-peek").addEventListener(kind, () => flicker === null && peek(false));
// A mouse click must not focus a button, because Space would then press it again.
root.addEventListener("mousedown", (event) => event.target.closest("button") && event.preventDefault());
text.addEventListener("input", () => { draft.captions[draft.index] = text.value; saveDraft(); });
text.addEventListener("blur", () => { root.classList.remove("editing"); if (item) drawCaptions(); });
$("r-worker").addEventListener("click", () => /shown|ready|end/.test(state()) && askName());
$("r-name").addEventListener("submit", (event) => {
  event.preventDefault();
  const typed = split($("r-name").querySelector("input").value).join(" ");
  if (!typed) return;
  worker = typed;
  localStorage.setItem("hf-hardneg/worker", worker);
  item = draft = null;
  leave();
  state("loading");
  begin();
});
document.addEventListener("visibilitychange", saveDraftIfAny);
window.addEventListener("pagehide", saveDraftIfAny);
new ResizeObserver(() => item && layout()).observe(panes);

if (worker) begin();
else askName();
