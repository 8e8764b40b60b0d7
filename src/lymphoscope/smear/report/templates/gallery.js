// The gallery, the cell in its place, and the contact sheet. Only what is in view is in the page, so that 20,000 cells open at once.
(function () {
  "use strict";
  var data = JSON.parse(document.getElementById("data").textContent), cells = data.cells, total = cells.name.length;
  var grid = document.getElementById("grid");
  var STATUS = ["counted", "referred", "aside"], PER_ROW = 32, PER_SHEET = 1024, WIDTH = 104, HEIGHT = 136;
  var byTile = data.tiles.map(function () { return []; });
  for (var index = 0; index < total; index++) byTile[cells.tile[index]].push(index);

  function element(name, attributes, text) {
    var made = document.createElement(name);
    Object.keys(attributes || {}).forEach(function (key) { made.setAttribute(key, attributes[key]); });
    if (text !== undefined) made.textContent = text;
    return made;
  }
  function title(cell) { return cells.label[cell] < 0 ? "not classified" : data.classes[cells.label[cell]]; }
  function score(cell) { return cells.score[cell] === null ? "" : cells.score[cell].toFixed(2); }
  function status(cell) { return ["counted", "referred to a person", "not counted"][cells.status[cell]]; }
  function columnsOf(sheet) { return sheet < data.sheets.length - 1 ? PER_ROW : Math.min(PER_ROW, total - sheet * PER_SHEET); }
  function showSprite(target, cell, size) {
    var sheet = Math.floor(cells.sprite[cell] / PER_SHEET), place = cells.sprite[cell] % PER_SHEET;
    target.style.backgroundImage = 'url("' + data.sheets[sheet] + '")';
    target.style.backgroundSize = columnsOf(sheet) * size + "px auto";
    target.style.backgroundPosition = -(place % PER_ROW) * size + "px " + -Math.floor(place / PER_ROW) * size + "px";
  }

  // The grid: `view` are the cells that are shown, in order.
  var view = [], perRow = 1, drawn = {}, space = document.getElementById("grid-space"), form = document.getElementById("filters");
  function choose() {
    var label = form.label.value, wanted = form.status.value, sort = form.sort.value;
    view = [];
    for (var cell = 0; cell < total; cell++) {
      if ((label === "" || cells.label[cell] === Number(label)) && (wanted === "" || cells.status[cell] === Number(wanted))) view.push(cell);
    }
    var keys = {
      order: function (a, b) { return cells.order[a] - cells.order[b]; },
      unsure: function (a, b) { return (cells.score[a] || 0) - (cells.score[b] || 0) || a - b; },
      label: function (a, b) { return cells.label[a] - cells.label[b] || a - b; }
    };
    if (keys[sort]) view.sort(keys[sort]);
    document.getElementById("shown").textContent = view.length.toLocaleString("en") + " of " + total.toLocaleString("en") + " cells";
    grid.scrollTop = 0;
    layOut();
  }
  function layOut() {
    perRow = Math.max(1, Math.floor((grid.clientWidth - 8) / WIDTH));
    space.style.height = Math.ceil(view.length / perRow) * HEIGHT + 8 + "px";
    space.textContent = "";
    drawn = {};
    draw();
  }
  function draw() {
    var first = Math.max(0, Math.floor(grid.scrollTop / HEIGHT) - 2) * perRow;
    var last = Math.min(view.length, Math.ceil((grid.scrollTop + grid.clientHeight) / HEIGHT + 2) * perRow);
    Object.keys(drawn).forEach(function (place) {
      if ((place < first || place >= last) && drawn[place] !== document.activeElement) { drawn[place].remove(); delete drawn[place]; }
    });
    var added = document.createDocumentFragment();
    for (var place = first; place < last; place++) if (!drawn[place]) added.appendChild(drawn[place] = thumb(place));
    space.appendChild(added);
  }
  function thumb(place) {
    var cell = view[place];
    var name = title(cell) + (score(cell) && " " + score(cell)) + ", " + status(cell) + ", cell " + (place + 1) + " of " + view.length;
    var button = element("button", { type: "button", "class": "thumb " + STATUS[cells.status[cell]], "aria-label": name });
    var picture = element("i");
    showSprite(picture, cell, 96);
    var words = element("span", { "class": "name" }, title(cell) + " ");
    words.append(element("span", { "class": "score" }, score(cell)));
    button.append(picture, words);
    button.style.left = 4 + (place % perRow) * WIDTH + "px";
    button.style.top = Math.floor(place / perRow) * HEIGHT + "px";
    button.addEventListener("click", function () { open(place); });
    button.addEventListener("keydown", function (event) { walk(event, place); });
    return button;
  }
  function walk(event, place) {
    var steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: perRow, ArrowUp: -perRow, PageDown: 4 * perRow, PageUp: -4 * perRow };
    var target = event.key === "Home" ? 0 : event.key === "End" ? view.length - 1 : place + (steps[event.key] || 0);
    if (target === place || target < 0 || target >= view.length) return;
    event.preventDefault();
    var top = Math.floor(target / perRow) * HEIGHT;
    if (top < grid.scrollTop) grid.scrollTop = top;
    if (top + HEIGHT > grid.scrollTop + grid.clientHeight) grid.scrollTop = top + HEIGHT - grid.clientHeight;
    draw();
    drawn[target].focus({ preventScroll: true });
  }

  // One cell in its place.
  var dialog = document.getElementById("cell"), current = 0;
  function fact(list, name, text) { if (text) list.append(element("dt", {}, name), element("dd", {}, text)); }
  function open(place) {
    current = place;
    var cell = view[place], tile = data.tiles[cells.tile[cell]], field = data.fields[tile[0]], list = document.getElementById("cell-facts");
    document.getElementById("cell-name").textContent = "Cell " + cells.order[cell] + ": " + title(cell);
    showSprite(document.getElementById("close-up"), cell, 240);
    list.textContent = "";
    fact(list, "Predicted", title(cell) + (score(cell) && ", score " + score(cell)));
    fact(list, "Status", status(cell));
    fact(list, "Why", cells.why[cell]);
    fact(list, "Marks", cells.marks[cell]);
    fact(list, "Field", field.id + ", " + field.name);
    fact(list, "Place", "x " + cells.box[cell][0] + ", y " + cells.box[cell][1] + " pixels");
    fact(list, "Id", cells.name[cell]);
    var around = document.getElementById("place");
    around.textContent = "";
    if (tile[6]) {
      around.append(element("img", { src: tile[6], alt: "The field around the cell", width: tile[4], height: tile[5] }));
      byTile[cells.tile[cell]].forEach(function (other) { around.append(box(other, tile, other === cell)); });
    }
    document.getElementById("previous").disabled = place === 0;
    document.getElementById("next").disabled = place === view.length - 1;
    if (!dialog.open) dialog.showModal();
  }
  function box(cell, tile, isThis) {
    var bounds = cells.box[cell], made = element("button", { type: "button", "class": "box " + STATUS[cells.status[cell]] + (isThis ? " this" : ""), "aria-label": title(cell) + ", " + status(cell) });
    made.style.left = 100 * (bounds[0] - tile[2]) / tile[4] + "%";
    made.style.top = 100 * (bounds[1] - tile[3]) / tile[5] + "%";
    made.style.width = 100 * bounds[2] / tile[4] + "%";
    made.style.height = 100 * bounds[3] / tile[5] + "%";
    made.addEventListener("click", function () { var place = view.indexOf(cell); if (place < 0) { form.reset(); choose(); place = view.indexOf(cell); } open(place); });
    return made;
  }

  // The contact sheet, a few dozen at a time; the pictures load when they come into view.
  var sheet = document.getElementById("sheet"), more = document.getElementById("more"), shown = 0;
  var order = data.tiles.map(function (_, tile) { return tile; }).filter(function (tile) { return data.tiles[tile][6]; });
  if (order.length > 24) order.sort(function (a, b) { return byTile[b].length - byTile[a].length || a - b; });
  function showMore() {
    order.slice(shown, shown + 24).forEach(function (number) {
      var tile = data.tiles[number], frame = element("div", { "class": "frame" }), item = element("li"), field = data.fields[tile[0]];
      frame.append(element("img", { src: tile[6], loading: "lazy", alt: "Field " + field.id, width: tile[4], height: tile[5] }));
      byTile[number].forEach(function (cell) { frame.append(box(cell, tile, false)); });
      var count = byTile[number].length, flags = tile[7].length ? "; " + tile[7].join(", ").replace(/_/g, " ") : "";
      item.append(frame, element("p", {}, field.id + (tile[1] > 1 || tile[2] || tile[3] ? ", tile " + tile[1] : "") + ", " + field.name + ": " + count + (count === 1 ? " cell" : " cells") + flags));
      sheet.append(item);
    });
    shown = Math.min(order.length, shown + 24);
    more.hidden = shown >= order.length;
  }
  more.addEventListener("click", showMore);
  if (grid) {
    form.addEventListener("change", choose);
    form.addEventListener("submit", function (event) { event.preventDefault(); });
    grid.addEventListener("scroll", function () { requestAnimationFrame(draw); }, { passive: true });
    new ResizeObserver(layOut).observe(grid);
    document.getElementById("previous").addEventListener("click", function () { open(current - 1); });
    document.getElementById("next").addEventListener("click", function () { open(current + 1); });
    choose();
  }
  showMore();
})();
