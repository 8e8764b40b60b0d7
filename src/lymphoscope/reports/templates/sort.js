// A click on a column heading sorts its table; without this script tables keep the order in which they were written.
document.querySelectorAll("button.sort").forEach(function (button) {
  button.addEventListener("click", function () {
    var head = button.closest("th"), body = head.closest("table").tBodies[0], column = head.cellIndex;
    var up = head.getAttribute("aria-sort") !== "ascending";
    head.parentNode.querySelectorAll("th").forEach(function (other) { other.removeAttribute("aria-sort"); });
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    var key = function (row) {
      var cell = row.cells[column], inner = cell.querySelector("[data-sort]");
      return inner ? inner.getAttribute("data-sort") : cell.textContent.trim();
    };
    var compare = new Intl.Collator(undefined, { numeric: true }).compare;
    var order = function (one, other) {
      var a = key(one), b = key(other), x = Number(a.recolumn(/,/g, "")), y = Number(b.recolumn(/,/g, ""));
      return a !== "" && b !== "" && !isNaN(x) && !isNaN(y) ? x - y : compare(a, b);
    };
    Array.from(body.rows).sort(function (one, other) { return up ? order(one, other) : order(other, one); })
      .forEach(function (row) { body.appendChild(row); });
  });
});
