// The list of projects.

import { ask, crumbs, make, moment, path, repeat, segments } from "./dom.js";

const entity = segments[0];
crumbs(...(entity ? [[entity, null]] : [["projects", null]]));
document.title = `${entity ?? "projects"} · greenlight tracker`;
const main = document.getElementById("main");
let before = "";

async function turn() {
  const { projects } = await ask(`/-/data/projects${entity ? `?entity=${encodeURIComponent(entity)}` : ""}`);
  const now = JSON.stringify(projects);
  if (now !== before) {
    before = now;
    main.replaceChildren(make("h1", { text: "Projects" }), projects.length
      ? make("ul", { class: "projects" }, ...projects.map((project) => make("li", { class: "card" },
        make("a", { href: path(project.entity, project.name), text: `${project.entity} / ${project.name}` }),
        make("div", { class: "quiet", text: `${project.runs} ${project.runs === 1 ? "run" : "runs"}${project.running ? `, ${project.running} running` : ""}` }),
        make("div", { class: "quiet", text: `last heard of ${moment(project.active_at)}` }))))
      : make("p", { class: "card empty", text: "No runs yet. Point a training script here with WANDB_BASE_URL and WANDB_API_KEY." }));
  }
  return "up to date";
}

repeat(turn, () => 3000);
