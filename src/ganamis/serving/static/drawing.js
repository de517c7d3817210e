// Draws an answer. Whatever comes from outside becomes text, never markup.

const FIRST = 9, DOUBTS = 12; // images of a cluster shown at once, and of those that fit least
const SURE = 0.99;

export const $ = (id) => document.getElementById(id);

export function element(tag, { text, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

export const count = (number, noun) =>
  `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

let addresses = [];

export function forget() {
  addresses.forEach((address) => URL.revokeObjectURL(address));
  addresses = [];
}

// A gallery draws from the user's own files. entries: of the ZIP that was sent.
export function gallery(entries) {
  const whole = new Map(entries.map((entry) => [entry.path, entry]));
  const inside = new Map(entries.map((entry) => [entry.path.replace(/^[^/]*\//, ""), entry]));
  const find = (path) => whole.get(path) ?? inside.get(path);

  async function fill(frame, path) {
    try {
      const address = URL.createObjectURL(await find(path).open());
      addresses.push(address);
      const image = element("img", { src: address, alt: path, decoding: "async" });
      await image.decode();
      frame.replaceChildren(image);
    } catch { // a format or a frame that browsers do not show
      frame.textContent = "no picture";
    }
  }

  return function thumb(image, text) {
    const frame = element("div", { className: "picture" });
    fill(frame, image.path);
    const caption = element("figcaption", { text: `${image.path}: ${text}` });
    return element("li", {}, element("figure", {}, frame, caption));
  };
}

export function draw(answer, thumb) {
  const { clusters, images } = answer;
  const members = clusters.map((_, number) => images.filter((image) => image.cluster === number));
  const stray = images.filter((image) => image.cluster < 0);
  const known = clusters.filter((cluster) => cluster.known).length;
  $("results-title").textContent =
    `${count(clusters.length, "generator")} behind ${count(images.length, "image")}`;
  $("sure").textContent = answer.given
    ? "The number was given, not found."
    : answer.sure === null
      ? "How sure the number is, the model does not say."
      : `That the number is right: ${answer.sure}.`;
  $("known").textContent = `${known} known to the model, ${clusters.length - known} new to it.`;
  $("clusters").replaceChildren(
    ...clusters.map((cluster, number) => card(cluster, number, members[number], images, thumb)),
    ...(stray.length ? [card(null, -1, stray, images, thumb)] : []),
  );
  drawDoubts(answer, thumb);
  drawNotes(answer);
}

function card(cluster, number, members, all, thumb) {
  const title = cluster ? `Cluster ${number}: ${cluster.name}` : "Images that fit no cluster";
  const kind = cluster ? (cluster.known ? "known" : "new") : "plain";
  const badge = element("span", { className: `badge ${kind}`, text: cluster ? kind : "no cluster" });
  const claim = cluster?.known ? `That it is ${cluster.name}` : "That it is none of the known";
  const share = Math.round((members.length / all.length) * 100);
  const told = `${count(members.length, "image")}, ${share} % of all.`;
  const thumbs = element("ul", { className: "thumbs" });
  const show = (part) => thumbs.append(...part.map((image) => thumb(image, image.sure)));
  show(members.slice(0, FIRST));
  const made = element("li", { className: "card" },
    element("div", { className: "name" }, element("h3", { text: title }), badge),
    element("p", { text: cluster ? `${told} ${claim}: ${cluster.sure}.` : told }), thumbs);
  const rest = members.length - FIRST;
  if (rest > 0) made.append(more(rest, title, () => show(members.slice(FIRST))));
  return made;
}

function more(rest, title, show) {
  const button = element("button", { type: "button", className: "quiet-button",
    text: `Show ${rest.toLocaleString("en")} more` });
  button.setAttribute("aria-label", `Show ${rest} more of ${title}`);
  button.addEventListener("click", () => {
    const list = button.previousElementSibling, next = list.children.length;
    show();
    button.remove();
    list.children[next].tabIndex = -1;
    list.children[next].focus(); // where the button's focus would else be lost
  });
  return button;
}

function drawDoubts({ clusters, images }, thumb) {
  $("doubts").hidden = clusters.length < 2;
  if (clusters.length < 2) return;
  const least = images.filter((image) => image.cluster >= 0)
    .sort((one, other) => one.membership - other.membership).slice(0, DOUBTS);
  $("surest").hidden = !least.length || least[0].membership <= SURE;
  $("least").replaceChildren(
    ...least.map((image) => thumb(image, `cluster ${image.cluster}, ${image.sure}`)));
}

function drawNotes(answer) {
  const items = [
    `Answered by ${answer.model}; ${count(answer.images.length, "image")} of ${answer.size} pixels.`,
    answer.known.length ? `It can name ${answer.known.join(", ")}.` : "It can name no generator.",
    ...(answer.learned ? [`${count(answer.learned, "image")} of this folder taught it.`] : []),
    ...(answer.processing.length
      ? [`Processing the images resemble: ${answer.processing.map((pair) => pair.join(" ")).join(", ")}.`]
      : []),
    ...answer.notes.map((note) => `${note}.`),
  ];
  $("notes").replaceChildren(...items.map((text) => element("li", { text })));
  $("skipped").hidden = !answer.skipped.length;
  $("skipped-rows").replaceChildren(...answer.skipped.map(([path, reason]) =>
    element("tr", {}, element("th", { scope: "row", className: "wrap", text: path }),
      element("td", { className: "wrap", text: reason }))));
}
