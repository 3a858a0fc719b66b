(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const looks = JSON.parse(byId("looks").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let printing = false;
  const look = () => (dark.matches && !printing ? looks.dark : looks.light);
  const settings = { responsive: true, displayModeBar: false };
  const drawings = [...document.querySelectorAll(".drawing")];

  const unpack = (letters) => {
    const bytes = Uint8Array.from(atob(letters.trim()), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };

  // The drawing library is large: it is unpacked once, when the first figure comes near the screen.
  let library;
  const load = () => {
    library ??= unpack(byId("plotly").textContent).then((code) => {
      document.head.append(Object.assign(document.createElement("script"), { text: code }));
      return window.Plotly;
    });
    return library;
  };

  const begun = new Map();
  const draw = (drawing) => {
    if (!begun.has(drawing)) {
      begun.set(drawing, (async () => {
        const [plotly, text] = await Promise.all([load(), unpack(byId(`spec-${drawing.dataset.name}`).textContent)]);
        const spec = JSON.parse(text);
        await plotly.newPlot(drawing, spec.data, { ...spec.layout, template: look() }, settings);
        drawing.dataset.drawn = "yes";
      })());
    }
    return begun.get(drawing);
  };
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((each) => each.isIntersecting)) {
      near.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "300px" });
  drawings.forEach((drawing) => near.observe(drawing));

  // The other figures are drawn one by one while the browser is idle, so that a printed page has all of them.
  const idle = window.requestIdleCallback ?? ((run) => setTimeout(run, 50));
  const drawRest = async () => {
    for (const drawing of drawings) {
      if (!begun.has(drawing)) {
        await new Promise((resolve) => { idle(resolve); });
        await draw(drawing);
      }
    }
    await Promise.all(begun.values());
    document.body.dataset.drawn = "yes";
  };
  addEventListener("load", () => idle(drawRest));

  const redress = (layout) => {
    for (const drawing of drawings.filter((each) => each.dataset.drawn)) {
      window.Plotly.relayout(drawing, { template: look(), ...layout(drawing) });
    }
  };
  dark.addEventListener("change", () => redress(() => ({})));
  addEventListener("beforeprint", () => {
    printing = true;
    // 680 px fits A4 within its margins; figures do not change their width for print by themselves
    redress((drawing) => ({ width: 680, height: Number(drawing.dataset.height) }));
  });
  addEventListener("afterprint", () => {
    printing = false;
    redress(() => ({ width: null, height: null, autosize: true }));
  });

  const save = (name, content) => {
    const address = URL.createObjectURL(content);
    Object.assign(document.createElement("a"), { href: address, download: name }).click();
    // not at once: some browsers start the download later
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  };
  const saveImage = async (name, format) => {
    const drawing = drawings.find((each) => each.dataset.name === name);
    await draw(drawing);
    const { offsetWidth: width, offsetHeight: height } = drawing;
    // always the light theme on white: the picture is for papers and slides
    const layout = { ...drawing.layout, template: looks.light, paper_bgcolor: "#ffffff", width, height };
    await window.Plotly.downloadImage(
      { data: drawing.data, layout }, { format, filename: name, width, height, scale: format === "png" ? 2 : 1 },
    );
  };

  const number = (cell) => {
    const written = cell.dataset.order ?? cell.textContent.replaceAll(",", "").replace("−", "-");
    const value = written.trim() === "" ? NaN : Number(written);
    return value;
  };
  const compare = (one, other, numeric) => {
    if (!numeric) return one.textContent.localeCompare(other.textContent, "en", { numeric: true });
    const [a, b] = [number(one), number(other)];
    return Number.isNaN(a) || Number.isNaN(b) ? NaN : a - b;
  };
  const sort = (head) => {
    const table = head.closest("table");
    const column = [...head.parentElement.children].indexOf(head);
    const numeric = head.classList.contains("num");
    // scores first from high to low, names from A to Z; the next click reverses the order
    const up = head.ariaSort ? head.ariaSort === "descending" : !numeric;
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const known = (row) => !numeric || !Number.isNaN(number(row.children[column]));
    const rows = [...table.tBodies[0].rows];
    const ranked = rows.filter(known).sort(
      (one, other) => (up ? 1 : -1) * compare(one.children[column], other.children[column], numeric),
    );
    table.tBodies[0].append(...ranked, ...rows.filter((row) => !known(row)));
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.classList.contains("sort")) sort(button.parentElement);
    if (button.dataset.image) await saveImage(button.dataset.of, button.dataset.image);
    if (button.dataset.file) {
      save(button.dataset.file, new Blob([await unpack(button.dataset.packed)], { type: "text/csv" }));
    }
  });

  // The table of contents highlights the section that the reader sees.
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const here = () => {
    const above = [...links.keys()].filter((id) => byId(id).getBoundingClientRect().top < innerHeight / 3);
    const last = above.at(-1) ?? links.keys().next().value;
    for (const [id, link] of links) {
      if (id === last) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
      if (link.parentElement.parentElement.parentElement.tagName === "NAV") {
        link.parentElement.classList.toggle("open", byId(id).contains(byId(last)));
      }
    }
  };
  let waiting = false;
  addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; here(); });
  }, { passive: true });
  here();
})();
