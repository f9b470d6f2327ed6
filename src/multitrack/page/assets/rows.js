// The rows of the table. Of many runs, only those in view are in the document, between two spaces of the others' height.

const ALL_ROWS = 200; // up to so many rows are all in the document
const AROUND = 15; // rows above and below the view

let rowsOf = []; // the runs of the table, in its order
let makeRow; // makes or updates the row of a run
let drawnRows = ""; // the first and the last row in the document
let rowHeight = 29, measured = false; // pixels; measured when the table is drawn

/** Show these runs as the table's rows. */
function drawRows(runs, make) {
  [rowsOf, makeRow, drawnRows, measured] = [runs, make, "", false];
  placeRows();
}

const space = (count) => count > 0 && h("tr", { class: "space", "aria-hidden": "true" }, h("td", { style: `height:${count * rowHeight}px` }));

/** Create the rows that are in view, and remove the others. */
function placeRows() {
  if (!makeRow) return; // a page that opens with a run has no table yet
  const windowed = rowsOf.length > ALL_ROWS;
  if (windowed) runsTable.setAttribute("aria-rowcount", rowsOf.length + head.rows.length);
  else runsTable.removeAttribute("aria-rowcount");
  const count = Math.ceil((scroll.clientHeight || 720) / rowHeight) + 2 * AROUND;
  const first = windowed ? Math.max(0, Math.min(Math.floor(scroll.scrollTop / rowHeight) - AROUND, rowsOf.length - count)) : 0;
  const last = windowed ? Math.min(rowsOf.length, first + count) : rowsOf.length;
  if (drawnRows === `${first} ${last}`) return;
  drawnRows = `${first} ${last}`;
  const made = rowsOf.slice(first, last).map(makeRow);
  made.forEach((row, i) => (windowed ? row.setAttribute("aria-rowindex", first + i + 1 + head.rows.length) : row.removeAttribute("aria-rowindex")));
  fill(body, space(first), made, space(rowsOf.length - last));
  if (!windowed) {
    for (const cell of headerRow.cells) cell.style.minWidth = "";
    return;
  }
  for (const [id, row] of rows) if (!row.isConnected) rows.delete(id);
  keepWidths();
  const height = made[0].getBoundingClientRect().height;
  if (measured || !height || height === rowHeight) return;
  [rowHeight, measured] = [height, true];
  drawnRows = "";
  placeRows();
}

/** Columns only grow while the table is scrolled: each view has other rows. */
function keepWidths() {
  const cells = [...headerRow.cells], widths = cells.map((cell) => cell.offsetWidth);
  cells.forEach((cell, i) => { if (widths[i]) cell.style.minWidth = `${widths[i]}px`; });
}

let placing = false;

/** Follow the scrolling and the size of the table, once a frame. */
function followScroll() {
  const follow = () => {
    if (placing) return;
    placing = true;
    requestAnimationFrame(() => { placing = false; placeRows(); });
  };
  scroll.addEventListener("scroll", follow, { passive: true });
  new ResizeObserver(follow).observe(scroll);
}
