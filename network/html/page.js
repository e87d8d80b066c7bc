// What the pages that hotloop writes can do: tables that are sorted, and details that are unfolded on paper.
"use strict";

// Sort a table by the column whose button is pressed: first descending, then ascending.
const status = document.querySelector("[role=status]");

function sort(button) {
  const head = button.closest("th"), table = head.closest("table"), body = table.tBodies[0];
  const direction = head.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", direction);
  const value = (row) => row.cells[head.cellIndex].dataset.value ?? row.cells[head.cellIndex].textContent;
  const rows = [...body.rows].sort((a, b) => {
    const x = value(a), y = value(b), difference = parseFloat(x) - parseFloat(y);
    return Number.isNaN(difference) ? x.localeCompare(y) : difference;
  });
  body.append(...(direction === "ascending" ? rows : rows.reverse()));
  status.textContent = `Sorted by ${button.textContent}, ${direction}.`;
}

for (const button of document.querySelectorAll("th button")) {
  if (button.dataset.sorted) button.closest("th").setAttribute("aria-sort", button.dataset.sorted);
  button.addEventListener("click", () => sort(button));
}

// Paper has nothing to unfold.
const folded = () => document.querySelectorAll("details:not([open])");
addEventListener("beforeprint", () => folded().forEach((each) => { each.dataset.folded = ""; each.open = true; }));
addEventListener("afterprint", () => document.querySelectorAll("details[data-folded]").forEach((each) => {
  delete each.dataset.folded;
  each.open = false;
}));
