// The page: files in, one request, the answer drawn. Nothing is sent before the button is pressed.
import { pack, unpack } from "./archive.js";
import { $, count, draw, element, forget, gallery } from "./drawing.js";

const MIB = 2 ** 20;
const LITTER = new Set(["thumbs.db", "desktop.ini", "__macosx"]);
const limits = Object.fromEntries(
  Object.entries($("limits").dataset).map(([name, value]) => [name, Number(value)]));
const size = (bytes) => `${(bytes / MIB).toFixed(1)} MiB`;
const isLitter = (path) =>
  path.split("/").some((part) => part.startsWith(".") || LITTER.has(part.toLowerCase()));
const entry = (file, path) => ({ path, size: file.size, open: async () => file });

let chosen = null; // {entries, archive}: archive is a ZIP to be sent as it is, or null
let running = null;

function choose(entries, archive = null) {
  forget();
  $("results").hidden = $("failure").hidden = true;
  const clean = entries.filter((each) => !isLitter(each.path));
  const large = clean.filter((each) => each.size > limits.file);
  const kept = clean.filter((each) => each.size <= limits.file);
  const bytes = archive ? archive.size : kept.reduce((sum, each) => sum + each.size, 0);
  const problems = [];
  if (!kept.length && !archive) problems.push("There is no file to send.");
  if (bytes > limits.request) problems.push(`They have ${size(bytes)}: more than ${size(limits.request)}.`);
  if (kept.length > limits.images) problems.push(`They are ${count(kept.length, "file")}: more than ${limits.images.toLocaleString("en")}.`);
  const first = large.length ? ` Left out, over ${size(limits.file)}: ${count(large.length, "file")}, first ${large[0].path}.` : "";
  $("choice").textContent = `${count(kept.length, "file")}, ${size(bytes)}.${first}`;
  $("problems").replaceChildren(...problems.map((text) => element("p", { text })));
  if (problems.length) $("problems").append(element("p", { text: "The command ganamis attribute takes any number." }));
  chosen = problems.length ? null : { entries: kept, archive };
  $("send").disabled = chosen === null;
  $("ready").hidden = false;
  (chosen ? $("send") : $("choice")).focus();
}

async function chooseFiles(files) {
  if (running) return;
  const list = [...files];
  if (list.length === 1 && /\.zip$/i.test(list[0].name)) {
    try {
      choose(await unpack(list[0]), list[0]);
    } catch { // the server reads more kinds of ZIP than this page, and says what is wrong
      choose([], list[0]);
    }
    return;
  }
  // A chosen folder's own name is no part of the paths.
  choose(list.map((file) => entry(file, file.webkitRelativePath.replace(/^[^/]*\//, "") || file.name)));
}

async function below(item, prefix) {
  if (item.isFile) {
    const file = await new Promise((resolve, reject) => item.file(resolve, reject));
    return [entry(file, prefix + item.name)];
  }
  const reader = item.createReader(), found = [];
  for (;;) { // browsers give a hundred at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found.flat();
    for (const each of some) found.push(await below(each, `${prefix}${item.name}/`));
  }
}

async function drop(event) {
  event.preventDefault();
  $("drop").classList.remove("over");
  if (running) return;
  const items = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!items.some((item) => item.isDirectory)) return chooseFiles(event.dataTransfer.files);
  try {
    const found = (await Promise.all(items.map((item) => below(item, "")))).flat();
    const top = items.length === 1 ? `${items[0].name}/`.length : 0;
    choose(found.map((each) => ({ ...each, path: each.path.slice(top) })));
  } catch (error) {
    fail(`The folder cannot be read: ${error.message}`);
  }
}

function options() {
  const query = new URLSearchParams();
  for (const field of $("form").querySelectorAll("[name]")) {
    if (field.value.trim()) query.set(field.name, field.value.trim());
  }
  return query;
}

function progress(text, share = null) {
  $("working").hidden = false;
  $("phase").textContent = text;
  if (share === null) $("bar").removeAttribute("value");
  else $("bar").value = share;
}

// Send the archive; the answer's text. Only XMLHttpRequest tells how far a request has been sent.
function post(path, archive, query) {
  return new Promise((resolve, reject) => {
    const request = running = new XMLHttpRequest();
    request.open("POST", `${path}?${query}`);
    request.setRequestHeader("Content-Type", "application/zip");
    request.upload.onprogress = ({ loaded, total }) =>
      progress(loaded < total ? `Sending ${size(total)}` : "The model is at work", loaded < total ? loaded / total : null);
    request.upload.onload = () => progress("The model is at work");
    request.onload = () => {
      if (request.status === 200) return resolve(request.responseText);
      let message = `The server answered ${request.status}.`;
      try { message = JSON.parse(request.responseText).message; } catch { /* not from us */ }
      reject(new Error(message));
    };
    request.onerror = () => reject(new Error("The server does not answer. Does ganamis serve still run?"));
    request.onabort = () => reject(new Error("Stopped; nothing was kept."));
    request.send(archive);
  });
}

async function work(task) {
  $("send").disabled = $("report").disabled = true;
  $("failure").hidden = true;
  const began = performance.now();
  const clock = setInterval(() => {
    $("elapsed").textContent = `${Math.round((performance.now() - began) / 1000)} s`;
  }, 1000);
  try {
    await task();
  } catch (error) {
    fail(error.message);
  } finally {
    clearInterval(clock);
    running = null;
    $("elapsed").textContent = "";
    $("working").hidden = true;
    $("send").disabled = $("report").disabled = chosen === null;
  }
}

async function attribute(event) {
  event.preventDefault();
  if (!chosen || running) return;
  await work(async () => {
    const { entries } = chosen;
    chosen.archive ??= await pack(entries, (done) =>
      progress(`Packing ${count(entries.length, "file")}`, done / entries.length));
    chosen.query = options();
    const answer = JSON.parse(await post("/attribute", chosen.archive, chosen.query));
    chosen.csv = answer.csv;
    draw(answer, gallery(entries));
    $("results").hidden = false;
    $("results-title").focus();
  });
}

function save(content, type, name) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}

function fail(text) {
  $("failure").textContent = text;
  $("failure").hidden = false;
  $("failure").focus();
}

const folder = $("folder");
if (!("webkitdirectory" in folder)) folder.closest("label").hidden = true;
for (const input of [$("files"), folder]) {
  input.addEventListener("change", () => {
    if (input.files.length) chooseFiles(input.files);
    input.value = ""; // the same choice again is a choice
  });
}
$("drop").addEventListener("dragover", (event) => {
  event.preventDefault();
  $("drop").classList.add("over");
});
$("drop").addEventListener("dragleave", () => $("drop").classList.remove("over"));
$("drop").addEventListener("drop", drop);
for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
$("form").addEventListener("submit", attribute);
$("stop").addEventListener("click", () => running?.abort());
$("csv").addEventListener("click", () => save(chosen.csv, "text/csv", "ganamis-clusters.csv"));
$("report").addEventListener("click", () => work(async () => {
  progress("The model is at work");
  save(await post("/report", chosen.archive, chosen.query), "text/html", "ganamis-report.html");
}));
