// Arrow keys in the tree: up and down move between rows, right and left open and close them.

/** Whether an element is shown: no category above it is closed. */
function isShown(summary) {
  for (let above = summary.parentElement.parentElement; above; above = above.parentElement) {
    if (above.tagName === "DETAILS" && !above.open) return false;
  }
  return true;
}

/** Let the arrow keys move through the rows of a tree. */
export function addKeys(tree) {
  tree.addEventListener("keydown", (event) => {
    if (event.target.tagName !== "SUMMARY" || event.altKey || event.ctrlKey || event.metaKey) return;
    const act = {
      ArrowDown: next(1),
      ArrowUp: next(-1),
      ArrowRight: open,
      ArrowLeft: close,
      Home: end(0),
      End: end(-1),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act(event.target);
  });
  const rows = () => [...tree.querySelectorAll("summary")].filter(isShown);
  function next(step) {
    return (row) => {
      const shown = rows();
      shown[shown.indexOf(row) + step]?.focus();
    };
  }
  function end(place) {
    return () => rows().at(place)?.focus();
  }
  function open(row) {
    if (row.parentElement.open) next(1)(row);
    else row.parentElement.open = true;
  }
  function close(row) {
    if (row.parentElement.open) row.parentElement.open = false;
    else row.parentElement.parentElement.closest("details")?.querySelector("summary").focus();
  }
}
