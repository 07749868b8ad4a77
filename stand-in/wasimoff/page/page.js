import { Pool } from "./pool.js";

// The page of a provider. As upstream's, it reads what it is told behind the "#", and once its connection is lost it does not
// come back by itself: whoever has it open opens it again.

const prefix = "wasimoff/wasimoff.v1.";
const told = new URLSearchParams(location.hash.slice(1));
const wanted = told.get("workers") ?? "max";
const workers = wanted === "max" ? navigator.hardwareConcurrency : Number(wanted);
const state = document.getElementById("state");

function say(text, connected) {
  state.textContent = text;
  state.classList.toggle("connected", connected);
}

function connect() {
  const id = crypto.getRandomValues(new Uint32Array(2)).reduce((text, one) => text + one.toString(16), "");
  const url = new URL(told.get("transport") ?? "/api/provider/ws", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  url.searchParams.set("id", id);
  const socket = new WebSocket(url, "wasimoff_provider_v1_json");
  const pool = new Pool(workers, new URL("/api/storage/", location.href));
  let events = 0;
  const send = (type, sequence, payload) =>
    socket.send(JSON.stringify({ sequence: `${sequence}`, type, payload }));
  const offer = (concurrency) => {
    events += 1;
    send("Event", events, { "@type": `${prefix}Event.ProviderResources`, concurrency, tasks: pool.running });
  };

  socket.onopen = () => {
    say(`connected as ${id} with ${workers} workers`, true);
    offer(workers);
  };
  socket.onclose = () => {
    say("the connection is lost: open the page again", false);
    pool.end();
  };
  socket.onmessage = async ({ data }) => {
    const { sequence, type, payload } = JSON.parse(data);
    if (payload["@type"] === `${prefix}Task.Cancel`) pool.cancel(payload.id, payload.reason);
    if (type !== "Request") return;
    const result = await pool.run(payload.info.id, payload.params);
    if (socket.readyState === WebSocket.OPEN)
      send("Response", sequence, { "@type": `${prefix}Task.Wasip1.Response`, info: payload.info, ...result });
  };

  // Whoever is about to close the browser has it finish first.
  globalThis.drain = async () => {
    offer(0);
    await pool.idle();
  };
}

function cell(row, text, isNumber = false) {
  const made = row.insertCell();
  made.textContent = text;
  made.classList.toggle("number", isNumber);
}

async function show() {
  const { providers, waiting, finished, retried } = await (await fetch("/api/stand-in/providers")).json();
  document.getElementById("figures").textContent =
    `${providers.length} providers; jobs: ${finished} done, ${waiting} waiting, ${retried} given to another provider`;
  const rows = document.createElement("tbody");
  for (const one of providers) {
    const row = rows.insertRow();
    cell(row, one.id);
    cell(row, /(HeadlessChrome|Chrome|Firefox|Safari)\/\d+/.exec(one.agent)?.[0] ?? "?");
    for (const figure of [one.workers, one.busy, one.done]) cell(row, figure, true);
    cell(row, one.since.slice(11, 19));
  }
  rows.id = "providers";
  document.getElementById("providers").replaceWith(rows);
}

if (told.get("autoconnect") !== "no") {
  if (isSecureContext && workers >= 1) connect();
  else say("this browser cannot be a provider: the page has to come by https, or from localhost", false);
}
if (told.get("show") !== "no") {
  setInterval(() => show().catch(() => {}), 1000);
  show().catch(() => {});
}
