// The case explorer: filters, sorts and steps through every case, and keeps review marks. Whatever it shows may be an
// attacker's: texts become text nodes only, and characters one cannot see become labelled boxes.
(() => {
  const source = document.getElementById("case-data");
  if (!source) return;
  performance.mark("explorer-begins");
  const KEEP = 14, LONGEST = 2000, MOST = 8e6;
  const KINDS = ["accepted risk", "false positive", "to fix"];
  const data = JSON.parse(source.textContent);
  const get = (name, row) => {
    const column = data.columns[name];
    return column.values[column.at ? column.at[row] : row];
  };
  const find = id => document.getElementById(id);
  const controls = new Set(data.controls);
  const byKey = new Map(Array.from({ length: data.n }, (_, row) => [get("key", row), row]));

  // Text
  const escaped = run => Array.from(run, c => `\\u{${c.codePointAt(0).toString(16)}}`).join("");
  const odd = new Map(Object.entries(data.odd));
  const runs = [...odd.keys()].sort((a, b) => b.length - a.length).map(escaped);
  const strange = new RegExp([...runs, "[^\\P{C}\\p{Co}\\t\\n]", "[\\p{Zl}\\p{Zp}]"].join("|"), "gu");
  const make = (tag, kind, ...parts) => {
    const element = document.createElement(tag);
    if (kind) element.className = kind;
    element.append(...parts);
    return element;
  };
  const code = char => "U+" + char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
  const show = raw => {
    const box = make("bdi"), text = raw.replaceAll("\r\n", "\n"), seen = new Set();
    let at = 0;
    for (const { 0: run, index } of text.matchAll(strange)) {
      const label = odd.get(run) ?? code(run), unseen = label.startsWith("U+"), length = Array.from(run).length;
      box.append(text.slice(at, index));
      if (!unseen) box.append(make("span", "mixed", run));
      const said = seen.has(label) ? unseen ? code(run) : "MIXED" : label;
      const chip = make("span", "chip", unseen && length > 1 ? `${said} ×${length}` : said);
      chip.title = label;
      box.append(chip);
      seen.add(label);
      at = index + run.length;
    }
    box.append(text.slice(at));
    return box;
  };
  const plain = text => text.replace(strange, run => odd.get(run)?.startsWith("MIXED") ? run : Array.from(run, c => `⟨${code(c)}⟩`).join(""));
  const number = (value, digits) => value === null ? "not measured" : value.toFixed(digits).replace("-", "−");
  const plural = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
  const extent = radius => 0 < radius && radius < 1
    ? `${+(100 * radius).toPrecision(6)} % of its words` : plural(radius, "changed word");

  // Review marks: this browser's over those that came with the report
  const place = `robustrank marks ${data.audit}`;
  const marks = new Map();
  let kept = true;
  const clean = note => note.replace(/[^\P{C}\p{Co}\t\n]|[\p{Zl}\p{Zp}]/gu, "\ufffd").slice(0, LONGEST);
  const entry = value => value !== null && typeof value === "object" && KINDS.includes(value.mark)
    && (value.note === undefined || typeof value.note === "string")
    ? { mark: value.mark, note: clean(value.note ?? "") } : null;
  const take = (all, others = null) => {
    let taken = 0;
    for (const [key, value] of Object.entries(all)) {
      const good = entry(value);
      if (good && byKey.has(key)) { marks.set(key, good); taken += 1; } else if (others) others.push(key);
      else if (value === null) marks.delete(key);
    }
    return taken;
  };
  const stored = () => {
    try {
      const found = JSON.parse(localStorage.getItem(place) ?? "{}");
      return found !== null && typeof found === "object" ? found : {};
    } catch { kept = false; return {}; }
  };
  take(data.marks);
  take(stored());
  const save = (key, value) => {
    if (value) marks.set(key, value); else marks.delete(key);
    try {
      localStorage.setItem(place, JSON.stringify({ ...stored(), [key]: value }));
    } catch { kept = false; }
    tally();
  };
  const tally = () => {
    const counts = KINDS.map(kind => [kind, [...marks.values()].filter(m => m.mark === kind).length]);
    const said = counts.filter(([, n]) => n).map(([kind, n]) => `${n.toLocaleString("en")} ${kind}`).join(", ");
    find("marks-count").textContent = said || "none yet";
    find("marks-kept").textContent = kept ? "Stored in this browser; export them to share."
      : "This browser stores nothing for this page: export the marks before you close it.";
  };
  const exported = () => JSON.stringify({
    robustrank_marks: 1, audit: data.audit, name: data.name, marks: Object.fromEntries([...marks].sort()),
  }, null, 1) + "\n";
  const imported = text => {
    let found;
    try { found = JSON.parse(text); } catch { return "This file is not JSON: nothing was imported."; }
    if (found?.robustrank_marks !== 1 || found.marks === null || typeof found.marks !== "object") {
      return "This file holds no marks of a RobustRank report: nothing was imported.";
    }
    const others = [];
    const taken = take(found.marks, others);
    try { localStorage.setItem(place, JSON.stringify({ ...stored(), ...Object.fromEntries(marks) })); } catch { kept = false; }
    const left = others.length ? `; ${plural(others.length, "entry").replace("entrys", "entries")} left out, not of this audit or not a mark` : "";
    return `${plural(taken, "mark")} imported${left}.`;
  };

  // Which cases, in which order
  const NAMED = ["ranker", "attack", "collection", "stratum"];
  const state = () => Object.fromEntries([...document.querySelectorAll("[data-filter]")].map(e => [e.dataset.filter, e.value]));
  const words = data.texts.map(text => text.toLowerCase());
  const gain = row => Math.abs(get("rank_before", row) - get("rank_after", row));
  // By a name: as in the audit file, which is the order in which a column first has its values.
  const order_of = name => row => data.columns[name].at?.[row] ?? row;
  const ORDERS = {
    ...Object.fromEntries(["ranker", "attack", "stratum"].map(name => [name, order_of(name)])),
    success: row => -get("success", row), move: row => -gain(row), harm: row => -get("harm", row), similar: row => -(get("similarity", row) ?? -2),
    unlike: row => get("similarity", row) ?? 2, edits: row => get("edits", row), rank: row => get("rank_after", row),
    file: row => row,
  };
  const OUTCOMES = {
    success: row => get("success", row), failure: row => !get("success", row),
    attacks: row => get("success", row) && !controls.has(get("attack", row)),
    broken: row => get("status", row) !== "ok",
    unproven: row => get("proofs", row).some(([, , holds]) => holds),
  };
  const holds = (row, wanted, text, texts) => {
    if (NAMED.some(name => wanted[name] && get(name, row) !== wanted[name])) return false;
    if (wanted.outcome && !OUTCOMES[wanted.outcome](row)) return false;
    if (wanted.similarity && !(get("similarity", row) >= Number(wanted.similarity))) return false;
    if (wanted.mark) {
      const mark = marks.get(get("key", row))?.mark ?? "";
      if (wanted.mark === "any" ? !mark : wanted.mark === "none" ? mark : mark !== wanted.mark) return false;
    }
    if (!text || texts.has(get("query", row)) || texts.has(get("document", row))) return true;
    const own = [...["key", "ranker", "attack", "doc_id", "query_id", "error"].map(name => get(name, row)),
      ...get("changes", row).map(change => change[2]), marks.get(get("key", row))?.note ?? ""];
    return own.some(part => part.toLowerCase().includes(text));
  };
  let shown = [], current = -1;
  const choose = ({ first = false } = {}) => {
    const wanted = state(), text = wanted.search.trim().toLowerCase();
    const texts = new Set(text ? words.flatMap((word, n) => word.includes(text) ? [n] : []) : []);
    const key = ORDERS[wanted.order];
    shown = Array.from({ length: data.n }, (_, row) => row).filter(row => holds(row, wanted, text, texts))
      .map(row => [key(row), row]).sort((a, b) => a[0] - b[0] || gain(b[1]) - gain(a[1]) || a[1] - b[1]).map(([, row]) => row);
    find("found").textContent = shown.length === data.n ? plural(data.n, "case") : `${shown.length.toLocaleString("en")} of ${plural(data.n, "case")}`;
    find("clear").hidden = shown.length === data.n;
    list.scrollTop = 0;
    if (first || !shown.includes(current)) select(shown[0] ?? -1, { link: false });
    else { scroll(); draw(); steps(); }
  };

  // The list: only rows in sight exist
  const list = find("case-list"), rail = list.firstElementChild;
  let tall = 58;
  const outcome = row => get("status", row) !== "ok" ? get("status", row).replace("_", " ")
    : `${controls.has(get("attack", row)) ? "control " : ""}${get("success", row) ? "succeeded" : "no success"}`;
  const option = (row, index) => {
    const key = get("key", row), mark = marks.get(key);
    const item = make("div", mark ? "row marked" : "row", make("span", "move", make("b", "", `${get("rank_before", row)} → ${get("rank_after", row)}`)),
      make("span", "who", show(get("ranker", row))), make("span", "what", show(get("attack", row)), " · ", show(data.texts[get("query", row)].slice(0, 120))),
      make("span", get("success", row) && !controls.has(get("attack", row)) ? "won" : "lost", outcome(row)),
      ...mark ? [make("span", "mark", mark.mark)] : []);
    item.id = `option-${index}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", String(row === current));
    item.setAttribute("aria-setsize", String(shown.length));
    item.setAttribute("aria-posinset", String(index + 1));
    item.style.top = `${index * tall}px`;
    item.style.height = `${tall}px`;
    item.addEventListener("click", () => select(row));
    return item;
  };
  const draw = () => {
    const first = Math.max(0, Math.floor(list.scrollTop / tall) - 4);
    const last = Math.min(shown.length, first + Math.ceil(list.clientHeight / tall) + 8);
    rail.style.height = `${shown.length * tall}px`;
    rail.replaceChildren(...shown.slice(first, last).map((row, n) => option(row, first + n)));
    const at = shown.indexOf(current);
    if (at >= first && at < last) list.setAttribute("aria-activedescendant", `option-${at}`);
    else list.removeAttribute("aria-activedescendant");
  };
  const scroll = () => {
    const at = shown.indexOf(current) * tall;
    if (at < list.scrollTop) list.scrollTop = at;
    else if (at + tall > list.scrollTop + list.clientHeight) list.scrollTop = at + tall - list.clientHeight;
  };
  const steps = () => {
    const at = shown.indexOf(current);
    find("previous").disabled = at <= 0;
    find("next").disabled = at < 0 || at >= shown.length - 1;
    find("position").textContent = at < 0 ? "" : `${(at + 1).toLocaleString("en")} of ${shown.length.toLocaleString("en")}`;
  };
  const select = (row, { link = true } = {}) => {
    current = row;
    scroll();
    draw();
    steps();
    detail(row);
    if (link && row >= 0) history.replaceState(null, "", `#case-${get("key", row)}`);
  };
  const step = by => {
    const at = shown.indexOf(current) + by;
    if (shown.length) select(shown[Math.min(Math.max(at, 0), shown.length - 1)]);
  };

  // One case
  const fact = (name, ...parts) => make("div", "", make("dt", "", name), make("dd", "", ...parts));
  const cut = (text, first, last) => {
    const all = text.split(" "), ends = !first + !last;
    if (all.length <= KEEP * ends + 6) return [show(text)];
    const left = make("span", "skipped", `… ${plural(all.length - KEEP * ends, "unchanged word")} …`);
    return [...first ? [] : [show(all.slice(0, KEEP).join(" ") + " ")], left, ...last ? [] : [show(" " + all.slice(-KEEP).join(" "))]];
  };
  const difference = (letters, changes) => {
    const parts = [];
    let at = 0;
    changes.forEach(([start, end, text], n) => {
      if (start > at) parts.push(...cut(letters.slice(at, start).join(""), n === 0, false));
      if (end > start) parts.push(make("del", "", make("span", "sr", "removed: "), show(letters.slice(start, end).join(""))));
      if (end > start && text) parts.push(" ");
      if (text) parts.push(make("ins", "", make("span", "sr", "added: "), show(text)));
      at = end;
    });
    if (at < letters.length) parts.push(...cut(letters.slice(at).join(""), false, true));
    return parts;
  };
  const changed = (letters, changes) => {
    let at = 0, text = "";
    for (const [start, end, added] of changes) { text += letters.slice(at, start).join("") + added; at = end; }
    return text + letters.slice(at).join("");
  };
  const ladder = row => {
    const last = Math.max(get("list_length", row) - 1, 1);
    const [from, to] = [get("rank_before", row), get("rank_after", row)].map(rank => 100 * (rank - 1) / last);
    const path = make("i", "path"), start = make("i", "from"), end = make("i", "to");
    path.style.left = `${Math.min(from, to)}%`;
    path.style.right = `${100 - Math.max(from, to)}%`;
    start.style.left = `${from}%`;
    end.style.left = `${to}%`;
    const whole = make("div", "ladder", make("span", "", "1"), make("div", "", path, start, end), make("span", "", String(get("list_length", row))));
    whole.setAttribute("aria-hidden", "true");
    return whole;
  };
  const pushed = row => {
    const fell = get("fell", row);
    if (fell === null) return [make("p", "empty", "The displaced documents were not recorded.")];
    if (!fell.length) return [make("p", "empty", "None in the top ten.")];
    return [make("ul", "fell", ...fell.map(([id, before, after, relevant]) => make("li", relevant ? "hurt" : "",
      make("span", "", `${before} → ${after}`), " ", show(id), ...relevant ? [" ", make("span", "tag", "relevant")] : [])))];
  };
  const proof = row => {
    const all = get("proofs", row);
    if (!all.length) return "No certificate was attempted for this list and this kind of edit.";
    const held = all.filter(([, , holds]) => holds);
    if (!held.length) return `Not certified: attempted for ${all.map(([k, radius]) => `top ${k} within ${extent(radius)}`).join(", ")}.`;
    const edits = get("edits", row);
    // What holds within more words holds within fewer.
    const most = held.filter(([k, radius]) => !held.some(([other, more]) => other === k && more > radius));
    return most.map(([k, radius]) => `Proved: no document enters the top ${k} by ${radius > 1 ? "up to " : ""}${extent(radius)}`
      + (radius < 1 ? "." : edits > radius ? `; this case changed ${edits}, which the proof does not cover.` : get("rank_before", row) > k && get("rank_after", row) <= k
        ? `; this case does so with ${edits}: the certificate is broken.` : `; this case changed ${edits} and does not.`)).join(" ");
  };
  const whole = (name, text) => {
    const box = make("div", "full", show(text));
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", name);
    return [make("p", "caption", name), box];
  };
  const detail = row => {
    const box = find("case-body");
    find("case-tools").hidden = find("case-review").hidden = row < 0;
    if (row < 0) {
      box.replaceChildren(make("p", "empty", data.n ? "No case fits these filters." : "No attack was run, so there is no case."));
      return;
    }
    const key = get("key", row), query = data.texts[get("query", row)], text = data.texts[get("document", row)];
    const attacked = get("query_changed", row) ? query : text, letters = Array.from(attacked), changes = get("changes", row);
    const status = get("status", row), error = get("error", row), reached = get("reached", row);
    const link = make("a", "anchor", "link");
    link.href = `#case-${key}`;
    link.title = "Link to this case";
    const heading = make("h3", "", make("b", "", `${get("rank_before", row)} → ${get("rank_after", row)}`), ` of ${get("list_length", row)} `,
      make("span", get("success", row) ? "outcome fail" : "outcome none", get("success", row) ? `${controls.has(get("attack", row)) ? "control" : "attack"} succeeded` : status === "ok" ? "no success" : status.replace("_", " ")),
      ...controls.has(get("attack", row)) ? [" ", make("span", "tag", "control")] : [], " ", link);
    const texts = make("details", "", make("summary", "", "Full texts"));
    texts.addEventListener("toggle", () => {
      if (texts.childElementCount > 1) return;
      texts.append(...get("query_changed", row) ? [...whole("Query before", query), ...whole("Query after", changed(letters, changes)), ...whole("Document (unchanged)", text)]
        : [...whole("Before", text), ...whole("After", changed(letters, changes))]);
    });
    const diff = make("div", "diff", ...changes.length ? difference(letters, changes) : ["No change."]);
    diff.setAttribute("role", "group");
    diff.setAttribute("aria-label", "Difference before and after");
    box.replaceChildren(heading,
      make("p", "who", make("b", "", show(get("attack", row))), " against ", make("b", "", show(get("ranker", row))), " on ", show(get("collection", row)), /^\d/.test(get("stratum", row)) ? ", clean rank in " : ", target: ", show(get("stratum", row))),
      ladder(row),
      make("p", "asked", make("span", "", "Query ", show(get("query_id", row))), show(query)),
      ...error ? [make("p", "notice fail", show(error))] : [],
      make("p", "caption", get("query_changed", row) ? "Changed query" : "Changed document ", get("query_changed", row) ? "" : show(get("doc_id", row))), diff, texts,
      make("dl", "facts", fact("Score", `${number(get("score_before", row), 3)} → ${number(get("score_after", row), 3)}`), fact("Edits", plural(get("edits", row), data.characters.includes(get("attack", row)) ? "character" : "word")),
        fact("Similarity", number(get("similarity", row), 2)), fact("Calls", get("calls", row).toLocaleString("en")), fact("Harm, nDCG@10", number(get("harm", row), 3)),
        fact("Reached", reached.length ? show(reached.join(", ")) : "nothing")),
      make("div", "pair", make("div", "", make("h4", "", "Displaced documents"), ...pushed(row)), make("div", "", make("h4", "", "Certificate"), make("p", "", proof(row)))));
    const mark = marks.get(key);
    for (const choice of document.getElementsByName("mark")) choice.checked = choice.value === (mark?.mark ?? "");
    find("note").value = mark?.note ?? "";
    find("note").disabled = !mark;
  };

  // Wiring
  for (const name of NAMED) {
    const select_ = document.querySelector(`[data-filter=${name}]`), values = [...new Set(Array.from({ length: data.n }, (_, row) => get(name, row)))];
    for (const value of values) {
      const one = make("option", "", plain(value) || "(empty)");
      one.value = value;
      select_.append(one);
    }
    select_.closest("label").hidden = values.length < 2;
  }
  let waiting = 0;
  for (const control of document.querySelectorAll("[data-filter]")) {
    control.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(() => choose({ first: control.dataset.filter === "order" }), control.type === "search" ? 120 : 0); });
  }
  const clear = () => {
    for (const control of document.querySelectorAll("[data-filter]")) if (control.dataset.filter !== "order") control.value = "";
    choose();
  };
  const remember = () => {
    if (current < 0) return;
    const chosen = [...document.getElementsByName("mark")].find(choice => choice.checked)?.value ?? "";
    find("note").disabled = !chosen;
    save(get("key", current), chosen ? { mark: chosen, note: find("note").value.slice(0, LONGEST) } : null);
    draw();
  };
  for (const choice of document.getElementsByName("mark")) choice.addEventListener("change", remember);
  find("note").addEventListener("input", remember);
  find("clear").addEventListener("click", clear);
  find("previous").addEventListener("click", () => step(-1));
  find("next").addEventListener("click", () => step(1));
  find("export").addEventListener("click", () => {
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([exported()], { type: "application/json" }));
    link.download = `marks-${data.audit.replace(/[^\w-]/g, "")}.json`;
    link.click();
    URL.revokeObjectURL(link.href);
  });
  find("import").addEventListener("change", async event => {
    const [file] = event.target.files;
    if (!file) return;
    find("marks-status").textContent = file.size > MOST ? "This file is too large for marks: nothing was imported." : imported(await file.text());
    event.target.value = "";
    tally();
    choose();
    detail(current);
  });
  list.addEventListener("scroll", draw, { passive: true });
  list.addEventListener("keydown", event => {
    const page = Math.max(1, Math.floor(list.clientHeight / tall) - 1);
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -shown.length, End: shown.length }[event.key];
    if (by === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    step(by);
  });
  find("explorer").addEventListener("keydown", event => {
    const typing = event.target.matches("input:not([type=radio]), select, textarea") || event.ctrlKey || event.altKey || event.metaKey;
    if (!typing && (event.key === "j" || event.key === "k")) step(event.key === "j" ? 1 : -1);
  });
  const follow = () => {
    const row = byKey.get(location.hash.replace(/^#case-/, ""));
    if (row === undefined || !location.hash.startsWith("#case-")) return;
    if (!shown.includes(row)) clear();
    select(row, { link: false });
    find("cases").scrollIntoView();
    list.focus({ preventScroll: true });
  };
  addEventListener("hashchange", follow);
  addEventListener("resize", draw);

  find("explorer").hidden = false;
  find("worst").hidden = true;
  tall = Math.ceil(parseFloat(getComputedStyle(document.documentElement).fontSize) * 3.6);
  tally();
  choose();
  follow();
  performance.mark("explorer-ready");
})();
