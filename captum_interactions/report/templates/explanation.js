// Players are lit where a term is pointed at or focused; the slider adds terms up.
for (const section of document.querySelectorAll("section.explanation")) {
  const buttons = [...section.querySelectorAll(".terms button")];
  const marks = [...section.querySelectorAll("[data-player]")];
  const picture = section.querySelector(".input svg");
  const areas = [...section.querySelectorAll(".area")];
  const seen = new Map(areas.map(area => [area.dataset.area, area.getAttribute("d")]));
  const hole = section.querySelector("clipPath path");
  const light = (players, value) => {
    const chosen = new Set(players);
    if (hole) hole.setAttribute("d", players.map(p => seen.get(p) || "").join(""));
    for (const mark of marks) {
      mark.classList.toggle("lit", chosen.has(mark.dataset.player));
      mark.style.setProperty("--mark", value < 0 ? "var(--red)" : "var(--blue)");
    }
    if (picture) picture.classList.toggle("dim", chosen.size > 0);
  };
  const show = button => button
    ? light(button.dataset.players.split(" ").filter(p => p), Number(button.dataset.value))
    : light([], 0);
  const pressed = () => buttons.find(b => b.getAttribute("aria-pressed") === "true");
  for (const button of buttons) {
    button.addEventListener("pointerenter", () => show(button));
    button.addEventListener("pointerleave", () => show(pressed()));
    button.addEventListener("focus", () => show(button));
    button.addEventListener("blur", () => show(pressed()));
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      for (const other of buttons) other.setAttribute("aria-pressed", "false");
      button.setAttribute("aria-pressed", String(on));
      show(on ? button : null);
    });
  }
  for (const area of areas) {
    area.addEventListener("pointerenter", () => light([area.dataset.area], 1));
    area.addEventListener("pointerleave", () => show(pressed()));
  }
  const slider = section.querySelector(".rebuilt input");
  if (slider) {
    const totals = slider.dataset.totals.split(" "), names = slider.dataset.shares.split(" ");
    const output = section.querySelector(".rebuilt output");
    const bar = section.querySelector(".rebuilt .bar");
    const update = () => {
      const k = Number(slider.value);
      output.textContent = `${k} term${k === 1 ? "" : "s"}: v = ${totals[k]}`;
      bar.style.width = `${names[k]}%`;
    };
    slider.addEventListener("input", update);
    update();
  }
}
