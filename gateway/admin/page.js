"use strict";
const filter = document.getElementById("filter");
const count = document.getElementById("count");
const endpoints = [...document.querySelectorAll("details")];

function show() {
  const wanted = filter.value.trim().toLowerCase();
  let found = 0;
  for (const endpoint of endpoints) {
    const isFound = endpoint.querySelector("summary").textContent.toLowerCase().includes(wanted);
    endpoint.hidden = !isFound;
    found += isFound ? 1 : 0;
  }
  for (const section of document.querySelectorAll("section")) {
    const own = [...section.querySelectorAll("details")];
    section.hidden = own.length > 0 && own.every((endpoint) => endpoint.hidden);
  }
  count.textContent = `${found} of ${endpoints.length}`;
}

function openTarget() {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) {
    filter.value = "";
    show();
    target.open = true;
    target.querySelector("summary").focus();
  }
}

filter.addEventListener("input", show);
document.getElementById("open").addEventListener("click", () => endpoints.forEach((one) => { one.open = true; }));
document.getElementById("close").addEventListener("click", () => endpoints.forEach((one) => { one.open = false; }));
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== filter) {
    event.preventDefault();
    filter.focus();
  }
});
addEventListener("hashchange", openTarget);
show();
openTarget();
