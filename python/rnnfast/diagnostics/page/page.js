"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const text = document.getElementById("text");
  if (!text) return;
  const spans = Array.from(text.querySelectorAll("span"));
  const by = (id) => document.getElementById(id);
  const [layer, gate, unit, next, map] = ["layer", "gate", "unit", "next", "map"].map(by);
  const WINDOW = 60; // tokens of the map
  let here = -1;
  let drawn = "";

  function option(select, value, shown) {
    const made = document.createElement("option");
    made.value = value;
    made.textContent = shown;
    select.append(made);
  }

  function values() {
    const found = data.layers.length ? data.layers[Number(layer.value)][gate.value] : undefined;
    if (found && !found.decoded) {
      found.decoded = Uint8Array.from(atob(found.bytes), (c) => c.charCodeAt(0));
    }
    return found;
  }

  function valueAt(of, t, u) {
    return of.low + (of.decoded[t * of.units + u] / 255) * (of.high - of.low);
  }

  // From white to blue for what is not below 0, else from red over white to blue.
  function colour(share) {
    const pale = Math.round(255 * (1 - Math.min(1, Math.abs(share))));
    return share < 0 ? `rgb(255,${pale},${pale})` : `rgb(${pale},${pale},255)`;
  }

  function paint() {
    const of = values();
    const most = Math.max(...data.surprises, 1);
    const u = of ? Math.min(Number(unit.value) || 0, of.units - 1) : 0;
    spans.forEach((span, t) => {
      const share = of ? valueAt(of, t, u) / of.high : (data.surprises[t] || 0) / most;
      span.style.background = colour(share);
      span.style.color = Math.abs(share) > 0.6 ? "#fff" : "#000";
    });
    drawn = "";
    point(here < 0 ? 0 : here);
  }

  function fillGates() {
    const kept = gate.value;
    gate.replaceChildren();
    if (data.surprises.length) option(gate, "", "surprise");
    if (data.layers.length) {
      Object.keys(data.layers[Number(layer.value)]).forEach((name) => option(gate, name, name));
    }
    if ([...gate.options].some((one) => one.value === kept)) gate.value = kept;
    const of = values();
    unit.max = of ? of.units - 1 : 0;
    unit.disabled = !of;
  }

  function element(name, attributes) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
    return made;
  }

  // All units of the gate over the tokens around the pointer.
  function drawMap() {
    const of = values();
    const begin = Math.floor(here / WINDOW) * WINDOW;
    const wanted = `${layer.value} ${gate.value} ${begin}`;
    if (!of) {
      map.replaceChildren();
      map.setAttribute("height", 0);
    } else if (wanted !== drawn) {
      const count = Math.min(WINDOW, spans.length - begin);
      const high = Math.max(2, Math.min(10, Math.floor(400 / of.units)));
      map.replaceChildren();
      map.setAttribute("viewBox", `0 0 ${10 * WINDOW} ${high * of.units}`);
      map.setAttribute("height", high * of.units);
      for (let t = 0; t < count; t += 1) {
        for (let u = 0; u < of.units; u += 1) {
          const value = valueAt(of, begin + t, u);
          const box = element("rect", {
            x: 10 * t, y: high * u, width: 10, height: high, fill: colour(value / of.high),
          });
          const told = element("title", {});
          told.textContent = `${data.tokens[begin + t]}: unit ${u}, ${value.toFixed(2)}`;
          box.append(told);
          map.append(box);
        }
      }
    }
    drawn = wanted;
  }

  function point(t) {
    if (t < 0 || t >= spans.length) return;
    if (here >= 0) spans[here].classList.remove("here");
    here = t;
    spans[t].classList.add("here");
    next.replaceChildren();
    const head = document.createElement("p");
    const of = values();
    const parts = [`token ${t + 1}: ${data.tokens[t]}`];
    if (data.surprises.length) parts.push(`${data.surprises[t].toFixed(2)} bits`);
    if (of) {
      const u = Math.min(Number(unit.value) || 0, of.units - 1);
      parts.push(`${gate.value} of unit ${u}: ${valueAt(of, t, u).toFixed(2)}`);
    }
    head.textContent = parts.join(", ");
    next.append(head);
    if (data.next.length) {
      const table = document.createElement("table");
      data.next[t].forEach(([token, probability]) => {
        const row = table.insertRow();
        const name = document.createElement("bdi");
        name.textContent = token;
        row.insertCell().append(name);
        row.insertCell().textContent = probability.toFixed(4);
        const bar = document.createElement("span");
        bar.className = "bar";
        bar.style.width = `${Math.round(200 * probability)}px`;
        row.insertCell().append(bar);
        if (token === data.tokens[t + 1]) row.className = "came";
      });
      next.append(table);
    }
    drawMap();
  }

  data.layers.forEach((_, k) => option(layer, k, `layer ${k}`));
  layer.disabled = data.layers.length === 0;
  fillGates();
  layer.addEventListener("change", () => { fillGates(); paint(); });
  gate.addEventListener("change", () => { fillGates(); paint(); });
  unit.addEventListener("input", paint);
  text.addEventListener("mouseover", (event) => point(spans.indexOf(event.target)));
  text.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      event.preventDefault();
      point(here + step);
    }
  });
  paint();
})();
